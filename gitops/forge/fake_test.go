package forge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

type object = map[string]any

// fake answers like GitHub, as far as these tests go. It counts writes and can refuse the next one or lose its answer.
type fake struct {
	mu          sync.Mutex
	pulls       []object
	comments    []object
	statuses    []object
	reviews     []object
	files       []object
	writes      []string          // METHOD path
	permissions map[string]string // by login
	asked       map[string]bool   // whose permission was
	refuse      map[string]answer
	lose        map[string]bool   // carried out, and answered 502
	before      map[string]func() // runs before the call, once
	srv         *httptest.Server
}

type answer struct {
	status  int
	message string
	times   int
}

func newFake(t *testing.T) (*fake, *Forge) {
	t.Helper()
	k := &fake{refuse: map[string]answer{}, lose: map[string]bool{}, before: map[string]func(){}}
	k.srv = httptest.NewServer(k)
	t.Cleanup(k.srv.Close)
	f, err := New(Options{API: k.srv.URL + "/api/v3/", Token: func() string { return "t0ken" }, Owner: "acme", Repo: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return k, f
}

func (k *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v3/repos/acme/shop")
	call := r.Method + " " + path
	if r.Header.Get("Authorization") != "Bearer t0ken" {
		reply(w, 401, object{"message": "Bad credentials"})
		return
	}
	if first := k.before[call]; first != nil {
		delete(k.before, call)
		first()
	}
	if r.Method != http.MethodGet {
		k.writes = append(k.writes, call)
	}
	if a := k.refuse[call]; a.status != 0 {
		if a.times--; a.times <= 0 {
			delete(k.refuse, call)
		} else {
			k.refuse[call] = a
		}
		reply(w, a.status, object{"message": a.message, "errors": []object{{"message": "detail"}}})
		return
	}
	var in object
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&in)
	}
	status, out := 404, any(object{"message": "Not Found"})
	if ok {
		status, out = k.serve(r, path, in)
	}
	if k.lose[call] {
		delete(k.lose, call)
		status, out = 502, object{"message": "Bad Gateway"}
	}
	reply(w, status, out)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (k *fake) serve(r *http.Request, path string, in object) (int, any) {
	part := strings.Split(strings.TrimPrefix(path, "/"), "/")
	number := 0
	if len(part) > 1 {
		number, _ = strconv.Atoi(part[1])
	}
	switch {
	case path == "":
		return 200, object{"name": "shop"}
	case path == "/pulls" && r.Method == "GET": // newest first; the lists lack what only one pull request has
		out := []object{}
		for _, p := range k.pulls {
			short := object{}
			for key, v := range p {
				if key != "merged" && key != "merged_by" && key != "mergeable_state" {
					short[key] = v
				}
			}
			out = append([]object{short}, out...)
		}
		return 200, out
	case path == "/pulls":
		return 201, k.add(in["head"].(string), in["title"].(string))
	case part[0] == "pulls" && number > len(k.pulls):
		return 404, object{"message": "Not Found"}
	case part[0] == "pulls" && len(part) == 2:
		if r.Method == "PATCH" {
			k.pulls[number-1]["state"] = in["state"]
		}
		return 200, k.pulls[number-1]
	case part[0] == "pulls" && part[2] == "merge":
		k.merge(number, "cortexops-bot")
		return 200, object{"sha": "merge" + part[1], "merged": true, "message": fmt.Sprint(in["commit_title"], "|", in["commit_message"], "|", in["sha"])}
	case part[0] == "pulls" && part[2] == "reviews":
		return 200, k.reviews
	case part[0] == "pulls" && part[2] == "files":
		return 200, k.files
	case part[0] == "collaborators":
		if k.asked == nil {
			k.asked = map[string]bool{}
		}
		if k.asked[part[1]] = true; k.permissions[part[1]] == "" {
			return 404, object{"message": part[1] + " is not a user"}
		}
		return 200, object{"permission": k.permissions[part[1]], "user": object{"login": part[1]}}
	case strings.HasPrefix(path, "/issues/comments/"):
		id, _ := strconv.Atoi(part[2])
		k.comments[id-1]["body"] = in["body"]
		return 200, k.comments[id-1]
	case part[0] == "issues" && len(part) == 2:
		return 200, object{"number": number, "closed_by": object{"login": "sam"}}
	case part[0] == "issues" && part[2] == "comments" && r.Method == "GET":
		return 200, k.comments
	case part[0] == "issues" && part[2] == "comments":
		return 201, k.comment("cortexops-bot", in["body"].(string))
	case part[0] == "issues" && part[2] == "labels":
		return 200, []object{}
	case part[0] == "commits":
		return 200, k.statuses
	case part[0] == "statuses":
		k.statuses = append([]object{in}, k.statuses...)
		return 201, in
	}
	return 404, object{"message": "Not Found"}
}

func (k *fake) add(head, title string) object {
	n := len(k.pulls) + 1
	p := object{"number": n, "state": "open", "title": title, "merged": false, "user": object{"login": "cortexops-bot"},
		"head": object{"ref": head, "sha": "head" + strconv.Itoa(n)}, "base": object{"ref": "main"}, "mergeable_state": "clean",
		"merge_commit_sha": "trial", "created_at": "2026-05-01T12:00:00Z", "labels": []object{{"name": "cortexops"}}}
	k.pulls = append(k.pulls, p)
	return p
}

func (k *fake) merge(number int, by string) {
	p := k.pulls[number-1]
	p["state"], p["merged"], p["merged_at"], p["merged_by"] = "closed", true, "2026-05-01T12:05:00Z", object{"login": by}
	p["merge_commit_sha"] = "merge" + strconv.Itoa(number)
}

func (k *fake) comment(by, body string) object {
	c := object{"id": len(k.comments) + 1, "body": body, "user": object{"login": by}}
	k.comments = append(k.comments, c)
	return c
}
