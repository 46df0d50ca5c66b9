// A container: what must be there before it starts, its runs, and when it runs again.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// Delays double. They are shorter than a kubelet's (10 s to 5 min): tests wait for them.
const (
	firstDelay   = 2 * time.Second
	longestDelay = 30 * time.Second
)

type container struct {
	pod    *pod
	spec   corev1.Container
	isInit bool
	delay  time.Duration // before the next restart; the first comes at once

	// Under the pod's mu.
	state, last corev1.ContainerState
	runs        int32 // that were begun
	ready       bool
	finished    bool // it will not run again
	process     *process
}

// newContainer goes on from what the API knows: after a restart of the node, what had been running is gone.
func newContainer(p *pod, spec corev1.Container, isInit bool, known []corev1.ContainerStatus,
	reason string) *container {
	c := &container{pod: p, spec: spec, isInit: isInit}
	c.state.Waiting = &corev1.ContainerStateWaiting{Reason: reason}
	if old, ok := podutil.GetContainerStatus(known, spec.Name); ok {
		c.last = old.LastTerminationState
		if c.last.Terminated != nil || old.State.Waiting == nil {
			c.runs = old.RestartCount + 1
		}
		if old.State.Terminated != nil || old.State.Running != nil {
			c.state = old.State
			c.lost()
		}
	}
	return c
}

// keep runs the container as often as the pod's restart policy says, and tells whether its last run was a success.
func (c *container) keep() bool {
	for {
		if c.exit() == nil && !c.run() {
			return false
		}
		if !c.again() {
			return c.exit().ExitCode == 0
		}
	}
}

func (c *container) exit() *corev1.ContainerStateTerminated {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.state.Terminated
}

// run is one run; false when the pod is to end before it.
func (c *container) run() bool {
	order, ok := c.prepare()
	if !ok {
		return false
	}
	c.pod.mu.Lock()
	c.runs++
	c.pod.mu.Unlock()
	process, err := start(*order)
	if err != nil {
		c.event(corev1.EventTypeWarning, "Failed", "Error: "+err.Error())
		c.terminated("StartError", err.Error(), 128, time.Now())
		return true
	}
	started := time.Now()
	c.running(process)
	c.event(corev1.EventTypeNormal, "Started", "Container started")
	go c.watchReadiness(process)
	c.await(process)
	reason := "Completed"
	if process.code != 0 {
		reason = "Error"
	}
	c.terminated(reason, "", process.code, started)
	return true
}

// await waits for the end of a run, and brings it about when the pod is to end.
func (c *container) await(process *process) {
	select {
	case <-process.done:
		return
	case <-c.pod.ctx.Done():
	}
	c.event(corev1.EventTypeNormal, "Killing", "Stopping container "+c.spec.Name)
	process.end(c.pod.overdue)
}

// again tells whether the container is to run once more, and waits until then.
func (c *container) again() bool {
	c.pod.mu.Lock()
	exit, spec := c.state.Terminated, c.pod.object.Spec
	policy := podutil.ContainerShouldRestart(c.spec, spec, exit.ExitCode) && !(c.isInit && exit.ExitCode == 0)
	c.finished = !policy || c.pod.ctx.Err() != nil
	c.pod.mu.Unlock()
	c.pod.changed()
	if c.finished {
		return false
	}
	if c.delay > 0 {
		message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
			c.delay, c.spec.Name, c.pod.name, c.pod.namespace, c.pod.uid)
		c.wait("CrashLoopBackOff", message)
		c.event(corev1.EventTypeWarning, "BackOff", message)
		if !c.pod.sleep(c.delay) {
			c.pod.mu.Lock()
			c.state = c.last
			c.finished = true
			c.pod.mu.Unlock()
			return false
		}
	}
	c.delay = min(max(2*c.delay, firstDelay), longestDelay)
	c.wait("ContainerCreating", "")
	return true
}

// ---- before a run ---------------------------------------------------------------------------------------------------

// obstacle keeps a container from starting for now; its words are those of a kubelet's status.
type obstacle struct{ reason, later, message string }

func (o *obstacle) Error() string { return o.message }

// prepare tries until nothing keeps the container from starting, or the pod is to end.
func (c *container) prepare() (*order, bool) {
	for delay := firstDelay; ; delay = min(2*delay, longestDelay) {
		order, err := c.order()
		if err == nil {
			return order, true
		}
		found := &obstacle{reason: "CreateContainerConfigError", message: err.Error()}
		errors.As(err, &found)
		c.wait(found.reason, found.message)
		c.event(corev1.EventTypeWarning, "Failed", "Error: "+found.message)
		if found.later != "" {
			if !c.pod.sleep(time.Second) {
				return nil, false
			}
			c.wait(found.later, "Back-off pulling image "+strconv.Quote(c.spec.Image)+": "+found.message)
			c.event(corev1.EventTypeNormal, "BackOff", "Back-off pulling image "+strconv.Quote(c.spec.Image))
		}
		if !c.pod.sleep(delay) {
			return nil, false
		}
	}
}

func (c *container) order() (*order, error) {
	if err := c.pull(); err != nil {
		return nil, err
	}
	values, expand, err := c.environment()
	if err != nil {
		return nil, err
	}
	argv, err := c.command(expand)
	if err != nil {
		return nil, err
	}
	mounts, err := c.mounts(expand)
	if err != nil {
		return nil, err
	}
	c.pod.mu.Lock()
	run := c.runs
	c.pod.mu.Unlock()
	log, err := newLog(c.log(run))
	if err != nil {
		return nil, err
	}
	return &order{
		argv: argv, environment: values, folder: c.folder(), mark: c.mark(),
		enter: func() error { return enterMounts(mounts, &c.pod.node.targets) },
		out:   log.from("stdout"), err: log.from("stderr"),
	}, nil
}

// pull is where an image named no-such-image fails, in whatever registry and of whatever tag.
func (c *container) pull() error {
	name, _, _ := strings.Cut(path.Base(c.spec.Image), ":")
	if name != "no-such-image" {
		c.event(corev1.EventTypeNormal, "Pulled",
			fmt.Sprintf("Container image %q already present on machine", c.spec.Image))
		return nil
	}
	message := fmt.Sprintf("failed to pull and unpack image %q: not found", c.spec.Image)
	c.event(corev1.EventTypeNormal, "Pulling", "Pulling image "+strconv.Quote(c.spec.Image))
	c.event(corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %s", c.spec.Image, message))
	return &obstacle{"ErrImagePull", "ImagePullBackOff", message}
}

// command is the argv of the spec, or that of the image, which is only a name unless images.json knows it.
func (c *container) command(expand func(string) string) ([]string, error) {
	argv := c.spec.Command
	if len(argv) == 0 {
		images := map[string][]string{}
		if text, err := os.ReadFile(c.pod.node.images); err == nil {
			if err := json.Unmarshal(text, &images); err != nil {
				return nil, &obstacle{reason: "CreateContainerError", message: c.pod.node.images + ": " + err.Error()}
			}
		}
		argv = images[c.spec.Image]
	}
	if len(argv) == 0 {
		return nil, &obstacle{reason: "CreateContainerError", message: fmt.Sprintf(
			"image %q is only a name here and has no command: give the container a command, or the image one in %s",
			c.spec.Image, c.pod.node.images)}
	}
	var expanded []string
	for _, word := range append(argv[:len(argv):len(argv)], c.spec.Args...) {
		expanded = append(expanded, expand(word))
	}
	return expanded, nil
}

// ---- its state ------------------------------------------------------------------------------------------------------

func (c *container) wait(reason, message string) {
	c.pod.mu.Lock()
	if c.state.Terminated != nil {
		c.last = c.state
	}
	c.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	c.pod.mu.Unlock()
	c.pod.changed()
}

func (c *container) running(process *process) {
	c.pod.mu.Lock()
	c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
	c.process = process
	c.ready = c.spec.ReadinessProbe == nil && !c.isInit
	c.pod.mu.Unlock()
	c.pod.changed()
}

func (c *container) terminated(reason, message string, code int32, started time.Time) {
	c.pod.mu.Lock()
	c.state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		Reason: reason, Message: message, ExitCode: code,
		StartedAt: metav1.NewTime(started), FinishedAt: metav1.Now(), ContainerID: c.id(),
	}}
	c.process = nil
	c.ready = c.isInit && code == 0
	c.pod.mu.Unlock()
	c.pod.changed()
}

// lost has a container terminated that nobody saw end. Called under the pod's mu, or while the container is being made.
func (c *container) lost() {
	if c.state.Terminated != nil {
		return
	}
	ended := &corev1.ContainerStateTerminated{
		Reason: "ContainerStatusUnknown", ExitCode: 137, FinishedAt: metav1.Now(),
		Message: "The container could not be located when the pod was terminated",
	}
	if c.state.Running != nil {
		ended.StartedAt = c.state.Running.StartedAt
	}
	c.state = corev1.ContainerState{Terminated: ended}
}

// mark is a variable in the environment of all processes of the container, so that none is left when it has ended; the
// script's `down` looks for its beginning.
func (c *container) mark() string {
	return "DASHICTL_CLUSTER_CONTAINER=" + c.pod.folder + "/" + c.spec.Name
}

func (c *container) id() string {
	return fmt.Sprintf("process://%s/%s/%d", c.pod.uid, c.spec.Name, c.restarts())
}

func (c *container) folder() string {
	if c.spec.WorkingDir != "" {
		return c.spec.WorkingDir
	}
	return c.pod.path("work")
}

// restarts is the number of the run that is or was the last, counted from 0.
func (c *container) restarts() int32 { return max(c.runs-1, 0) }

func (c *container) log(run int32) string {
	return c.pod.path("log", c.spec.Name, strconv.Itoa(int(run))+".log")
}

func (c *container) event(kind, reason, message string) {
	field := "spec.containers"
	if c.isInit {
		field = "spec.initContainers"
	}
	c.pod.event(fmt.Sprintf("%s{%s}", field, c.spec.Name), kind, reason, message)
}
