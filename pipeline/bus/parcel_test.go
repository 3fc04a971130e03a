package bus

import "testing"

// TestUntold follows one parcel through what its sender was told.
func TestUntold(t *testing.T) {
	t.Parallel()
	const stored, again = false, true // by the server's word
	for name, tc := range map[string]struct {
		failed []bool // publishes that ended in an error, by what the server had said
		want   bool   // the next, which the server knows, is the first that is told
	}{
		"nothing failed":                       {nil, false},
		"stored, and not told":                 {[]bool{stored}, true},
		"stored, and not told twice":           {[]bool{stored, again}, true},
		"told before, and then failed":         {[]bool{again}, false},
		"failed, and told before all the same": {[]bool{again, again}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var u untold
			p := &parcel{ids: []string{"a", "b"}}
			for _, before := range tc.failed {
				u.add(p, before)
			}
			if got := u.take(p); got != tc.want {
				t.Errorf("got %v", got)
			}
			if u.take(p) {
				t.Error("told twice")
			}
		})
	}
	var u untold
	first := &parcel{ids: []string{"first"}}
	u.add(first, stored)
	for range 3 * mostUntold {
		u.add(&parcel{ids: []string{string(rune(len(u.new)))}}, stored)
	}
	if len(u.new)+len(u.former) > 2*mostUntold {
		t.Errorf("%d are kept", len(u.new)+len(u.former))
	}
}
