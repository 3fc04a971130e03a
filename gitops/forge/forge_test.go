package forge

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

var wanted = NewPull{Head: "cortexops/abc-1", Base: "main", Title: "fix: memory", Body: "why"}

func TestOpenPull(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		given  func(k *fake)
		number int
		writes []string
	}{
		{"a new one", func(*fake) {}, 1, []string{"POST /pulls"}},
		{"among others", func(k *fake) { k.add("cortexops/abc-1-revert", ""); k.add("x", "") }, 3, []string{"POST /pulls"}},
		{"there already", func(k *fake) { k.add(wanted.Head, ""); k.add("x", "") }, 1, nil},
		{"closed already", func(k *fake) { k.add(wanted.Head, "")["state"] = "closed" }, 1, nil},
		{"another worker was quicker", func(k *fake) {
			k.before["POST /pulls"] = func() { k.add(wanted.Head, "") }
			k.refuse["POST /pulls"] = answer{422, "A pull request already exists", 1}
		}, 1, []string{"POST /pulls"}},
		{"the answer is lost", func(k *fake) { k.lose["POST /pulls"] = true }, 1, []string{"POST /pulls"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k, f := newFake(t)
			tt.given(k)
			pull, err := f.OpenPull(ctx, wanted)
			if err != nil || pull.Number != tt.number || pull.HeadRef != wanted.Head || pull.CreatedAt.IsZero() {
				t.Errorf("%+v, %v", pull, err)
			}
			if !slices.Equal(k.writes, tt.writes) {
				t.Errorf("wrote %v", k.writes)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		k, f := newFake(t)
		k.refuse["POST /pulls"] = answer{422, "No commits between main and it", 1}
		_, err := f.OpenPull(ctx, wanted)
		refused(t, err, 422)
	})
}

func refused(t *testing.T, err error, status int) {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) || r.Status != status {
		t.Errorf("got %v, want a refusal with %d", err, status)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const put = "PUT /pulls/1/merge"
	tests := []struct {
		name   string
		given  func(k *fake)
		want   string // merge SHA
		status int    // of a refusal
		writes int
	}{
		{"merged", func(*fake) {}, "merge1", 0, 1},
		{"merged already", func(k *fake) { k.merge(1, "sam") }, "merge1", 0, 0},
		{"a person was quicker", func(k *fake) {
			k.before[put] = func() { k.merge(1, "sam") }
			k.refuse[put] = answer{405, "Pull Request is not mergeable", 1}
		}, "merge1", 0, 1},
		{"the answer is lost", func(k *fake) { k.lose[put] = true }, "merge1", 0, 1},
		{"the base has just moved", func(k *fake) {
			k.refuse[put] = answer{405, "Base branch was modified. Review and try the merge again.", 1}
		}, "merge1", 0, 2},
		{"a rule of the branch", func(k *fake) {
			k.pulls[0]["mergeable_state"] = "blocked"
			k.refuse[put] = answer{405, "At least 2 approving reviews are required", 9}
		}, "", 405, 1},
		{"a conflict", func(k *fake) {
			k.pulls[0]["mergeable_state"] = "dirty"
			k.refuse[put] = answer{405, "Pull Request is not mergeable", 9}
		}, "", 405, 1},
		{"the head moved before we looked", func(k *fake) { k.pulls[0]["head"] = object{"sha": "other"} }, "", 409, 0},
		{"the head moves under us", func(k *fake) { k.refuse[put] = answer{409, "Head branch was modified", 9} }, "", 409, 1},
		{"another head was merged", func(k *fake) { k.pulls[0]["head"] = object{"sha": "other"}; k.merge(1, "sam") }, "", 409, 0},
		{"closed", func(k *fake) { k.pulls[0]["state"] = "closed" }, "", 405, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k, f := newFake(t)
			k.add(wanted.Head, "")
			tt.given(k)
			sha, err := f.Merge(ctx, 1, "head1", "Merge it", "Approved-by: sam")
			if tt.status != 0 {
				refused(t, err, tt.status)
			} else if err != nil || sha != tt.want {
				t.Errorf("got %q, %v", sha, err)
			}
			if len(k.writes) != tt.writes {
				t.Errorf("wrote %v", k.writes)
			}
		})
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	k.add(wanted.Head, "a title")
	pull, err := f.Get(ctx, 1)
	if err != nil || pull.Merged || pull.MergeSHA != "" || pull.State != "open" || pull.Title != "a title" || pull.Author != "cortexops-bot" {
		t.Errorf("%+v, %v", pull, err)
	}
	k.merge(1, "sam")
	if pull, err = f.Get(ctx, 1); err != nil || !pull.Merged || pull.MergeSHA != "merge1" || pull.MergedBy != "sam" || pull.MergedAt.IsZero() {
		t.Errorf("%+v, %v", pull, err)
	}
	if _, err := f.Get(ctx, 2); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestReviews(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	k.add(wanted.Head, "")
	k.reviews = []object{{"id": 7, "state": "APPROVED", "commit_id": "head1", "body": "ok", "user": object{"login": "sam"}, "submitted_at": "2026-05-01T12:00:00Z"}}
	for permission, may := range map[string]bool{"admin": true, "write": true, "read": false, "none": false, "": false} {
		k.permissions = map[string]string{"sam": permission}
		got, err := f.Reviews(ctx, 1)
		want := Review{7, "sam", "APPROVED", "head1", "ok", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), may}
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %+v, %v", permission, got, err)
		}
	}
	k.reviews[0]["user"] = object{"login": "sam", "type": "Bot"}
	k.permissions = map[string]string{"sam": "write"}
	if got, err := f.Reviews(ctx, 1); err != nil || got[0].MayWrite {
		t.Errorf("an app: %+v, %v", got, err)
	}
	k.reviews[0]["user"] = object{"login": "sam", "type": "User"}
	k.refuse["GET /collaborators/sam/permission"] = answer{403, "Resource not accessible by personal access token", 1}
	var u *Unauthorized
	if _, err := f.Reviews(ctx, 1); !errors.As(err, &u) {
		t.Errorf("a permission that we may not read: %v", err)
	}
}

func TestCommentsSince(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	k.add(wanted.Head, "")
	k.permissions = map[string]string{"sam": "write"}
	k.comments = append(k.comments, []object{
		{"created_at": "2026-05-01T11:59:00Z", "user": object{"login": "sam"}, "body": "old, and edited since"},
		{"id": 11, "created_at": "2026-05-01T12:00:00Z", "user": object{"login": "sam"}, "body": "now"},
		{"id": 12, "created_at": "2026-05-01T12:01:00Z", "updated_at": "2026-05-01T12:01:00Z", "user": object{"login": "eve"}, "body": "a stranger"},
		{"id": 13, "created_at": "2026-05-01T12:02:00Z", "updated_at": "2026-05-01T12:09:00Z", "user": object{"login": "sam"}, "body": "edited, by whomever"},
		{"id": 14, "created_at": "2026-05-01T12:03:00Z", "user": object{"login": "kim"}, "body": "hm"},
	}...)
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	got, err := f.Comments(ctx, 1, at.Add(300*time.Millisecond), func(body string) bool { return body != "hm" }) // the forge's times have no fractions
	want := []Said{{11, "sam", "now", at, true, false}, {12, "eve", "a stranger", at.Add(time.Minute), false, false}, {13, "sam", "edited, by whomever", at.Add(2 * time.Minute), true, true}}
	if err != nil || !slices.Equal(got, want) || k.asked["kim"] || !k.asked["eve"] {
		t.Errorf("%+v, %v; who may push was asked of %v", got, err, k.asked)
	}
}

func TestOpenPullsOfForksAreNotListed(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	for i, repo := range []string{"acme/shop", "mallory/shop"} {
		p := k.add(wanted.Head, "")
		p["head"] = object{"ref": wanted.Head, "sha": "s", "repo": object{"full_name": repo}}
		p["base"] = object{"ref": "main", "repo": object{"full_name": "acme/shop"}}
		p["number"] = i + 1
	}
	got, err := f.OpenPulls(ctx)
	if err != nil || len(got) != 1 || got[0].Number != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	k.add(wanted.Head, "")
	for range 2 {
		if err := f.Close(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.writes) != 1 || k.pulls[0]["state"] != "closed" {
		t.Errorf("wrote %v", k.writes)
	}
}

func TestCommentIsAmended(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	k.add(wanted.Head, "")
	k.comment("mallory", "<!-- cortexops:ending -->\nnot ours")
	for _, body := range []string{"one", "one", "two"} {
		if err := f.Comment(ctx, 1, "ending", body); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Comment(ctx, 1, "other", "three"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range k.comments {
		got = append(got, c["body"].(string))
	}
	want := []string{"<!-- cortexops:ending -->\nnot ours", "<!-- cortexops:ending -->\ntwo", "<!-- cortexops:other -->\nthree"}
	if !slices.Equal(got, want) || len(k.writes) != 3 {
		t.Errorf("%q, wrote %v", got, k.writes)
	}
}

func TestStatusIsSetOnce(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	long := strings.Repeat("ü", 200)
	for _, s := range []struct{ name, state, description string }{
		{"cortexops/policy", "pending", "a"}, {"cortexops/policy", "pending", "a"}, {"cortexops/dry-run", "success", long}, {"cortexops/dry-run", "success", long},
		{"cortexops/policy", "success", "a"}, {"cortexops/policy", "pending", "a"},
	} {
		if err := f.Status(ctx, "head1", s.name, s.state, s.description, "http://x"); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.writes) != 4 || k.statuses[0]["state"] != "pending" || len([]rune(k.statuses[2]["description"].(string))) != 140 {
		t.Errorf("wrote %v: %v", k.writes, k.statuses)
	}
}

func TestLabelsThatAreThere(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	k.add(wanted.Head, "")
	for _, labels := range [][]string{{}, {"Cortexops"}, {"cortexops", "risk/low"}} {
		if err := f.Label(ctx, 1, labels...); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.writes) != 1 {
		t.Errorf("wrote %v", k.writes)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	k, _ := newFake(t)
	bad, err := New(Options{API: k.srv.URL + "/api/v3/", Token: func() string { return "wrong" }, Owner: "acme", Repo: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	var u *Unauthorized
	if err := bad.Ping(ctx); !errors.As(err, &u) || u.Status != 401 || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	other, err := New(Options{API: k.srv.URL + "/api/v3/", Token: func() string { return "t0ken" }, Owner: "acme", Repo: "shpo"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Ping(ctx); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "acme/shpo") {
		t.Errorf("a repository that is not there: %v", err)
	}
	for _, status := range []int{429, 500, 503} {
		k, f := newFake(t)
		k.refuse["GET "] = answer{status, "later", 1}
		err := f.Ping(ctx)
		var r *Refused
		if err == nil || errors.As(err, &u) && u.Status == status || errors.As(err, &r) {
			t.Errorf("%d: got %v, which no retry would mend", status, err)
		}
	}
	for _, o := range []Options{
		{API: "api.github.com/", Token: func() string { return "t" }, Owner: "o", Repo: "r"}, {API: "https://api.github.com", Token: func() string { return "t" }, Owner: "o", Repo: "r"},
		{API: "https://api.github.com/", Owner: "o", Repo: "r"}, {API: "https://api.github.com/", Token: func() string { return "t" }},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// TestALimitSaysUntilWhen, that of an hour and that of a burst.
func TestALimitSaysUntilWhen(t *testing.T) {
	t.Parallel()
	reset := time.Now().Add(40 * time.Minute).Truncate(time.Second)
	for name, c := range map[string]struct {
		header http.Header
		body   string
		want   time.Duration // from now, about
	}{
		"of an hour": {http.Header{"X-Ratelimit-Limit": {"5000"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {strconv.FormatInt(reset.Unix(), 10)}},
			`{"message":"API rate limit exceeded for user ID 1."}`, 40 * time.Minute},
		"of a burst": {http.Header{"Retry-After": {"300"}},
			`{"message":"You have exceeded a secondary rate limit.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, 5 * time.Minute},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), c.header)
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, c.body)
		}))
		f, err := New(Options{API: srv.URL + "/", Token: func() string { return "t0ken" }, Owner: "acme", Repo: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		var limited *Limited
		if err := f.Ping(ctx); !errors.As(err, &limited) || time.Until(limited.Until) > c.want || time.Until(limited.Until) < c.want-time.Minute {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
	}
}

// The token must not follow a redirect to another host.
func TestTokenStaysHome(t *testing.T) {
	t.Parallel()
	stolen := make(chan string, 1)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen <- r.Header.Get("Authorization") }))
	defer thief.Close()
	home := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer home.Close()
	f, err := New(Options{API: home.URL + "/", Token: func() string { return "t0ken" }, Owner: "acme", Repo: "shop", HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Ping(ctx); err == nil {
		t.Error("the redirect was followed")
	}
	if len(stolen) > 0 {
		t.Errorf("the other host was sent %q", <-stolen)
	}
}
