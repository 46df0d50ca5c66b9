// A pod: its volumes, its init containers one after the other, then its containers at once, and its end.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var (
	errDeleted    = errors.New("the pod is deleted")
	errNodeCloses = errors.New("the node closes")
)

type pod struct {
	node            *node
	namespace, name string
	uid             types.UID
	address         string
	folder          string
	inits, mains    []*container

	ctx  context.Context // ends when the pod is to end; its cause says why
	stop context.CancelCauseFunc
	done chan struct{} // closed when no process of it is left and none will come

	mu       sync.Mutex
	object   *corev1.Pod      // as the API showed it last
	status   corev1.PodStatus // what is true here
	deadline time.Time        // once it is to end: what runs then is killed

	changes chan struct{}    // holds one when the API is to be told
	gone    chan struct{}    // closed when it is told no more
	writing sync.Mutex       // held while it is
	written corev1.PodStatus // what it was told last
}

func newPod(n *node, object *corev1.Pod, address string) *pod {
	p := &pod{
		node: n, namespace: object.Namespace, name: object.Name, uid: object.UID, address: address,
		folder: filepath.Join(n.folder, string(object.UID)),
		object: object, status: *object.Status.DeepCopy(), written: *object.Status.DeepCopy(),
		done: make(chan struct{}), changes: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	p.ctx, p.stop = context.WithCancelCause(context.Background())
	if p.status.StartTime == nil {
		now := metav1.Now()
		p.status.StartTime = &now
	}
	reason := "ContainerCreating"
	if len(object.Spec.InitContainers) > 0 {
		reason = "PodInitializing"
	}
	for _, spec := range object.Spec.InitContainers {
		p.inits = append(p.inits, newContainer(p, spec, true, object.Status.InitContainerStatuses, reason))
	}
	for _, spec := range object.Spec.Containers {
		p.mains = append(p.mains, newContainer(p, spec, false, object.Status.ContainerStatuses, reason))
	}
	return p
}

// live is all of a pod's life.
func (p *pod) live() {
	p.changed()
	go p.report()
	p.run()
	close(p.done)
	p.changed()
	<-p.ctx.Done()
	if context.Cause(p.ctx) == errDeleted {
		p.bury()
	}
	close(p.gone)
}

func (p *pod) run() {
	if !p.fillVolumes() {
		return
	}
	for _, c := range p.inits {
		if !c.keep() {
			return
		}
	}
	var all sync.WaitGroup
	for _, c := range p.mains {
		all.Go(func() { c.keep() })
	}
	all.Wait()
}

// end has the pod's processes end, with what is left of the grace killed. A later call can only shorten it.
func (p *pod) end(cause error, grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if deadline := time.Now().Add(grace); p.deadline.IsZero() || deadline.Before(p.deadline) {
		p.deadline = deadline
	}
	p.stop(cause)
}

// overdue tells whether what still runs is to be killed.
func (p *pod) overdue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().After(p.deadline)
}

// bury has the API forget a pod whose processes are gone; only a node may do so before the grace is over.
func (p *pod) bury() {
	p.mu.Lock()
	for _, c := range p.containers() {
		c.lost()
	}
	p.mu.Unlock()
	p.tell()
	now := metav1.NewDeleteOptions(0)
	now.Preconditions = metav1.NewUIDPreconditions(string(p.uid))
	_ = p.node.client.CoreV1().Pods(p.namespace).Delete(context.Background(), p.name, *now) // virtual-kubelet's turn else
	p.node.forget(p)
}

// seen is the pod as the API showed it last, for virtual-kubelet to compare.
func (p *pod) seen() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object.DeepCopy()
}

// fillVolumes tries until the secrets and config maps are there, or the pod is to end.
func (p *pod) fillVolumes() bool {
	for delay := time.Second; ; delay = min(2*delay, longestDelay) {
		err := p.tryVolumes()
		if err == nil {
			return true
		}
		p.event("", corev1.EventTypeWarning, "FailedMount", err.Error())
		if !p.sleep(delay) {
			return false
		}
	}
}

func (p *pod) tryVolumes() error {
	object := p.seen()
	if err := os.MkdirAll(p.path("work"), 0o755); err != nil {
		return err
	}
	for i := range object.Spec.Volumes {
		volume := &object.Spec.Volumes[i]
		if err := p.fill(object, volume); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", volume.Name, err)
		}
	}
	return nil
}

func (p *pod) containers() []*container { return slices.Concat(p.inits, p.mains) }

func (p *pod) path(parts ...string) string {
	return filepath.Join(append([]string{p.folder}, parts...)...)
}

// sleep tells whether the pod is still to go on.
func (p *pod) sleep(duration time.Duration) bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(duration):
		return true
	}
}

// event writes an event about the pod, or about the container whose field path is given.
func (p *pod) event(field, kind, reason, message string) {
	p.node.events.Event(&corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: p.namespace, Name: p.name, UID: p.uid, FieldPath: field,
	}, kind, reason, message)
}
