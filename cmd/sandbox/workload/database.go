package workload

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cortexops/cortexops/cmd/sandbox/workload/model"
)

// server is one start of one database: the same pod started again has no sessions any more.
type server struct {
	namespace, pod string
	uid            types.UID
	starts         int32
	most           float64
}

// connect lets dt seconds pass for every database that runs. Its clients are the ready pods of its namespace that name
// the StatefulSet which controls it.
func (c *collector) connect(dt float64, pods []*corev1.Pod) {
	running := map[server]bool{}
	for _, p := range pods {
		most := model.Of(p.Annotations, p.Spec.Containers).MaxConnections
		owner := metav1.GetControllerOf(p)
		if most == 0 || owner == nil || owner.Kind != "StatefulSet" || !isReady(p) || p.DeletionTimestamp != nil {
			continue
		}
		s := server{p.Namespace, p.Name, p.UID, p.Status.ContainerStatuses[0].RestartCount, most}
		running[s] = true
		if c.servers[s] == nil {
			c.servers[s] = &model.Sessions{}
		}
		c.servers[s].Advance(dt, most, clients(p.Namespace, owner.Name, pods))
	}
	for s := range c.servers {
		if !running[s] {
			delete(c.servers, s)
		}
	}
}

func clients(namespace, database string, pods []*corev1.Pod) (out []model.Program) {
	for _, p := range pods {
		program := model.Of(p.Annotations, p.Spec.Containers)
		if p.Namespace == namespace && program.Database == database && p.DeletionTimestamp == nil && isReady(p) {
			out = append(out, program)
		}
	}
	return out
}
