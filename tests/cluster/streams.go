// Streams: exec and port-forward, over SPDY and websockets as a kubelet's runtime serves them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	idleTimeout   = 4 * time.Hour
	streamTimeout = 30 * time.Second
)

func (n *node) serveExec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := n.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	remotecommand.ServeExec(w, r, p, p.name, string(p.uid), r.PathValue("container"), r.URL.Query()["command"], options,
		idleTimeout, streamTimeout, remotecommand.SupportedStreamingProtocols)
}

// ExecInContainer is what ServeExec asks for.
func (p *pod) ExecInContainer(ctx context.Context, _, _, name string, argv []string, in io.Reader,
	out, diagnostics io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	for _, c := range p.containers() {
		if c.spec.Name != name {
			continue
		}
		p.mu.Lock()
		process := c.process
		p.mu.Unlock()
		if process == nil {
			break
		}
		code, err := c.execute(ctx, process, argv, in, orDiscard(out), orDiscard(diagnostics))
		if err == nil && code != 0 {
			err = utilexec.CodeExitError{Err: fmt.Errorf("exit code %d", code), Code: int(code)}
		}
		return err
	}
	return fmt.Errorf("container not found (%q)", name)
}

// orDiscard is for the streams that a client did not ask for.
func orDiscard(w io.WriteCloser) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// execute runs a command where the container's process is, and kills it when the context ends.
func (c *container) execute(ctx context.Context, in *process, argv []string, stdin io.Reader,
	out, diagnostics io.Writer) (int32, error) {
	environment, _, err := c.environment()
	if err != nil {
		return 0, err
	}
	copyTo := func(w io.Writer) func(io.Reader) { return func(r io.Reader) { _, _ = io.Copy(w, r) } }
	command, err := start(order{
		argv: argv, environment: environment, folder: c.folder(), enter: in.join,
		in: stdin, out: copyTo(out), err: copyTo(diagnostics),
	})
	if err != nil {
		return 0, err
	}
	select {
	case <-command.done:
		return command.code, nil
	case <-ctx.Done():
		_ = syscall.Kill(-command.pid, syscall.SIGKILL)
		return 0, ctx.Err()
	}
}

func (n *node) servePortForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := n.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	portforward.ServePortForward(w, r, p, p.name, string(p.uid), options,
		idleTimeout, streamTimeout, portforward.SupportedProtocols)
}

// PortForward is what ServePortForward asks for, once a connection. It ends with the pod, as a pod's connections do.
func (p *pod) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	connection, err := net.Dial("tcp", address(int(port)))
	if err != nil {
		return err
	}
	defer connection.Close()
	there, back := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := io.Copy(connection, stream)
		there <- errors.Join(err, connection.(*net.TCPConn).CloseWrite())
	}()
	go func() {
		_, err := io.Copy(stream, connection)
		back <- err
	}()
	select {
	case <-there:
		select {
		case <-back:
		case <-p.done:
		}
	case <-back:
	case <-p.done:
	}
	return nil
}
