// The status of a pod, made from its containers', and told to the API whenever it changes.
package main

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	statusutil "k8s.io/kubernetes/pkg/util/pod"
)

func (p *pod) changed() {
	select {
	case p.changes <- struct{}{}:
	default: // it is to be told already
	}
}

// report tells the API of changes; several that come at once are told as one.
func (p *pod) report() {
	for {
		select {
		case <-p.changes:
			p.tell()
		case <-p.gone:
			return
		}
	}
}

// tell tells the API what is true now. It tries again for a while: the API server may be busy; and gives up, for the
// pod may be gone. What the end of the node does to a pod is not told: the pod goes on when the node comes back.
func (p *pod) tell() {
	if context.Cause(p.ctx) == errNodeCloses {
		return
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	for range 10 {
		status := p.current()
		_, _, _, err := statusutil.PatchPodStatus(
			context.Background(), p.node.client, p.namespace, p.name, p.uid, p.written, status)
		if err == nil {
			p.written = status
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (p *pod) current() corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.status
	s.HostIP, s.HostIPs = "127.0.0.1", []corev1.HostIP{{IP: "127.0.0.1"}}
	s.PodIP, s.PodIPs = p.address, []corev1.PodIP{{IP: p.address}}
	s.InitContainerStatuses, s.ContainerStatuses = statuses(p.inits), statuses(p.mains)
	s.Phase = p.phase()
	over := s.Phase == corev1.PodSucceeded || s.Phase == corev1.PodFailed
	initialized := !slices.ContainsFunc(p.inits, func(c *container) bool { return !c.succeeded() })
	ready := !over && p.ctx.Err() == nil && !slices.ContainsFunc(p.mains, func(c *container) bool { return !c.ready })
	reason := ""
	if s.Phase == corev1.PodSucceeded {
		reason = "PodCompleted"
	} else if s.Phase == corev1.PodFailed {
		reason = "PodFailed"
	} else if !ready {
		reason = "ContainersNotReady"
	}
	setCondition(s, corev1.PodInitialized, initialized, "")
	setCondition(s, corev1.ContainersReady, ready, reason)
	setCondition(s, corev1.PodReady, ready, reason)
	return *s.DeepCopy()
}

func setCondition(s *corev1.PodStatus, kind corev1.PodConditionType, is bool, reason string) {
	condition := &corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason}
	if is {
		condition.Status = corev1.ConditionTrue
	}
	podutil.UpdatePodCondition(s, condition)
}

func statuses(containers []*container) []corev1.ContainerStatus {
	var list []corev1.ContainerStatus
	for _, c := range containers {
		started := c.state.Running != nil
		status := corev1.ContainerStatus{
			Name: c.spec.Name, Image: c.spec.Image, State: c.state, LastTerminationState: c.last,
			Ready: c.ready, RestartCount: c.restarts(), Started: &started,
		}
		if c.state.Waiting == nil {
			status.ContainerID, status.ImageID = c.id(), c.spec.Image
		}
		list = append(list, status)
	}
	return list
}

// phase is Pending until each container has run, Running until each is finished. What it was at its end it stays.
func (p *pod) phase() corev1.PodPhase {
	if p.status.Phase == corev1.PodSucceeded || p.status.Phase == corev1.PodFailed {
		return p.status.Phase
	}
	ended := p.ctx.Err() != nil && p.isDone()
	for _, c := range p.inits {
		if c.finished && !c.succeeded() || ended {
			return corev1.PodFailed
		}
		if !c.succeeded() {
			return corev1.PodPending
		}
	}
	pending, finished, failed := false, true, false
	for _, c := range p.mains {
		pending = pending || c.state.Waiting != nil && c.last.Terminated == nil
		finished = finished && c.finished
		failed = failed || !c.succeeded()
	}
	switch {
	case (finished || ended) && failed:
		return corev1.PodFailed
	case finished || ended:
		return corev1.PodSucceeded
	case pending:
		return corev1.PodPending
	}
	return corev1.PodRunning
}

func (p *pod) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// succeeded is asked under the pod's mu.
func (c *container) succeeded() bool {
	return c.state.Terminated != nil && c.state.Terminated.ExitCode == 0
}
