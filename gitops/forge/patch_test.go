package forge

import (
	"fmt"
	"strings"
	"testing"
)

const limits = `kind: Deployment
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: app
        image: shop:1
        resources:
          limits:
            memory: 128Mi
      - name: proxy
        image: proxy:1
        resources:
          limits:
            memory: 128Mi
`

func TestTouches(t *testing.T) {
	t.Parallel()
	raised := strings.Replace(limits, "128Mi", "256Mi", 1)                                      // line 11
	cpu := strings.Replace(limits, "memory: 128Mi\n", "memory: 128Mi\n            cpu: 1\n", 1) // after line 11
	for name, c := range map[string]struct {
		before, after, patch string
		changes              int
		line                 int // 0: it does not
	}{
		"the same line": {limits, raised, "@@ -10,3 +10,3 @@ spec:\n           limits:\n-            memory: 128Mi\n+            memory: 1Gi\n       - name: proxy", 2, 11},
		"a line that reads the same, of another container": {limits, raised,
			"@@ -14,3 +14,3 @@ spec:\n         resources:\n           limits:\n-            memory: 128Mi\n+            memory: 1Gi", 2, 0},
		"another line of the hunk":                           {limits, raised, "@@ -8,4 +8,4 @@\n-        image: shop:1\n+        image: shop:2\n         resources:\n           limits:\n             memory: 128Mi", 2, 0},
		"the same line, from an older base":                  {limits, raised, "@@ -4,3 +4,3 @@\n           limits:\n-            memory: 128Mi\n+            memory: 1Gi\n       - name: proxy", 2, 11},
		"a line that has changed since":                      {limits, raised, "@@ -10,3 +10,3 @@\n           limits:\n-            memory: 64Mi\n+            memory: 1Gi\n       - name: proxy", 2, 0},
		"the same line among others that have changed since": {limits, raised, "@@ -9,3 +9,3 @@\n         resources: # of old\n           limits:\n-            memory: 128Mi\n+            memory: 1Gi", 2, 11},
		"all of it removed":                                  {limits, raised, "@@ -1,16 +0,0 @@\n-" + strings.ReplaceAll(strings.TrimSuffix(limits, "\n"), "\n", "\n-"), 16, 11},
		"both add in the same place":                         {limits, cpu, "@@ -10,3 +10,4 @@\n           limits:\n             memory: 128Mi\n+            cpu: 500m\n       - name: proxy", 1, 11},
		"it adds elsewhere":                                  {limits, cpu, "@@ -7,2 +7,3 @@\n       - name: app\n         image: shop:1\n+        env: []", 1, 0},
		"it removes what is around ours":                     {limits, cpu, "@@ -9,4 +9,1 @@\n         resources:\n-          limits:\n-            memory: 128Mi\n-      - name: proxy", 3, 11},
		"it changes the line before ours":                    {limits, cpu, "@@ -10,3 +10,3 @@\n           limits:\n-            memory: 128Mi\n+            memory: 1Gi\n       - name: proxy", 2, 0},
		"too large to be shown":                              {limits, raised, "", 4000, 11},
		"renamed only":                                       {limits, raised, "", 0, 0},
		"lines that end as on Windows":                       {strings.ReplaceAll(limits, "\n", "\r\n"), strings.ReplaceAll(raised, "\n", "\r\n"), "@@ -11 +11 @@\n-            memory: 128Mi\r\n+            memory: 1Gi\r", 2, 11},
		"no newline at the end":                              {"a: 1\nb: 2", "a: 1\nb: 3", "@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n\\ No newline at end of file\n+b: 4\n\\ No newline at end of file", 2, 2},
		"both make the file":                                 {"", "a: 1\n", "@@ -0,0 +1 @@\n+a: 2", 1, 1},
		"a hunk of nonsense":                                 {limits, raised, "@@ -x,y z\n?", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line, touches := Patched{Patch: c.patch, Changes: c.changes}.Touches([]byte(c.before), []byte(c.after))
			if touches != (c.line > 0) || touches && line != c.line {
				t.Errorf("line %d, %v; want line %d", line, touches, c.line)
			}
		})
	}
}

// TestIntoAndPatches reads no more than it is asked for, and nothing of another base.
func TestIntoAndPatches(t *testing.T) {
	t.Parallel()
	k, f := newFake(t)
	for n := range 4 {
		k.add(fmt.Sprintf("renovate/%d", n), "bump")
	}
	k.pulls[1]["base"], k.pulls[2]["state"] = object{"ref": "next"}, "closed"
	k.files = []object{{"filename": "b.yaml", "previous_filename": "a.yaml", "status": "renamed", "changes": 2, "patch": "@@ -1 +1 @@"}, {"filename": "c.yaml"}}
	list, err := f.Into(ctx, "main", 10)
	if err != nil || len(list) != 2 || list[0].Number != 4 || list[1].Number != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := f.Into(ctx, "main", 1); err != nil || len(list) != 1 || list[0].Number != 4 {
		t.Errorf("%+v, %v", list, err)
	}
	files, err := f.Patches(ctx, 1, 10)
	if err != nil || len(files) != 2 || files[0] != (Patched{Path: "b.yaml", Was: "a.yaml", Patch: "@@ -1 +1 @@", Changes: 2}) {
		t.Errorf("%+v, %v", files, err)
	}
	if files, err := f.Patches(ctx, 1, 1); err != nil || len(files) != 1 {
		t.Errorf("%+v, %v", files, err)
	}
}
