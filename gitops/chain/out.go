package chain

import (
	"fmt"

	"github.com/cortexops/cortexops/gitops/locate"
)

// LeftOut names the ApplicationSet that excludes a folder or file, which makes no Application of it; "" where none does.
func (c *Chain) LeftOut(p string) string {
	for _, u := range c.world.units {
		for _, dir := range u.excluded {
			if under(p, dir) {
				return fmt.Sprintf("%s excludes %s: it makes no Application of it, and nothing here says who applies it", u.where(), dir)
			}
		}
	}
	return ""
}

// Objects is all that the units which the query is about make, in the namespaces that they give it.
func (c *Chain) Objects(q Query) []locate.Object {
	var out []locate.Object
	for _, u := range c.world.units {
		if u.err != nil || !q.asks(u) {
			continue
		}
		for _, o := range u.objects {
			if namespaced(o) {
				o.Namespace = first(o.Namespace, u.defaults)
			}
			out = append(out, o)
		}
	}
	return out
}
