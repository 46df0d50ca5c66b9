// Readiness: whether what runs in a container answers. Other probes are not looked at.
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/probe"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"
)

// watchReadiness asks for as long as the process lives: once a second until it is ready, for tests wait for that, and
// then as often as the spec says.
func (c *container) watchReadiness(process *process) {
	p := c.spec.ReadinessProbe
	if p == nil || c.isInit {
		return
	}
	period := time.Duration(p.PeriodSeconds) * time.Second
	delay := time.Duration(p.InitialDelaySeconds) * time.Second
	ready := false
	for inARow := int32(0); ; {
		select {
		case <-process.done:
			return
		case <-time.After(delay):
		}
		answers, message := c.probe(p, process)
		if !answers {
			c.event(corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed: "+message)
		}
		if inARow++; answers == ready {
			inARow = 0
		}
		if answers && inARow >= p.SuccessThreshold || !answers && inARow >= p.FailureThreshold {
			ready, inARow = answers, 0
			c.setReady(process, ready)
		}
		if delay = period; !ready {
			delay = min(period, time.Second)
		}
	}
}

func (c *container) setReady(process *process, ready bool) {
	c.pod.mu.Lock()
	if c.process == process {
		c.ready = ready
	}
	c.pod.mu.Unlock()
	c.pod.changed()
}

func (c *container) probe(p *corev1.Probe, process *process) (bool, string) {
	timeout := time.Duration(p.TimeoutSeconds) * time.Second
	var result probe.Result
	var message string
	var err error
	switch {
	case p.HTTPGet != nil:
		request, requestErr := httpprobe.NewRequestForHTTPGetAction(p.HTTPGet, &c.spec, "127.0.0.1", "probe")
		if requestErr != nil {
			return false, requestErr.Error()
		}
		result, message, err = httpprobe.New(false).Probe(request, timeout)
	case p.TCPSocket != nil:
		port, portErr := probe.ResolveContainerPort(p.TCPSocket.Port, &c.spec)
		if portErr != nil {
			return false, portErr.Error()
		}
		result, message, err = tcpprobe.New().Probe("127.0.0.1", port, timeout)
	case p.Exec != nil:
		return c.probeExec(p.Exec.Command, process, timeout)
	default:
		return false, "the test cluster has no probes of this kind"
	}
	if err != nil {
		return false, err.Error()
	}
	return result == probe.Success, message
}

func (c *container) probeExec(argv []string, process *process, timeout time.Duration) (bool, string) {
	ctx, cancel := context.WithTimeout(c.pod.ctx, timeout)
	defer cancel()
	code, err := c.execute(ctx, process, argv, nil, io.Discard, io.Discard)
	if err != nil {
		return false, err.Error()
	}
	return code == 0, fmt.Sprintf("exit code %d", code)
}
