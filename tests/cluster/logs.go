// Logs: what containers write, kept as the runtimes of a kubelet keep it (one file a run, each line with its moment and
// stream), and read with the same code.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/util/flushwriter"
	criapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	crilogs "k8s.io/cri-client/pkg/logs"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the conversion of a query to log options
)

// logFile is the log of one run, to which both its streams are written.
type logFile struct {
	mu   sync.Mutex
	file *os.File
	open int // streams
}

func newLog(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(path)
	return &logFile{file: file, open: 2}, err
}

// from reads one stream to its end; the last one closes the file.
func (l *logFile) from(stream string) func(io.Reader) {
	return func(source io.Reader) {
		lines := bufio.NewReaderSize(source, 16<<10)
		for {
			line, err := lines.ReadSlice('\n')
			if len(line) > 0 {
				l.write(stream, line, err == bufio.ErrBufferFull)
			}
			if err != nil && err != bufio.ErrBufferFull {
				break
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open--; l.open == 0 {
			l.file.Close()
		}
	}
}

func (l *logFile) write(stream string, line []byte, partly bool) {
	tag := 'F'
	if partly {
		tag = 'P'
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	moment := time.Now().UTC().Format(time.RFC3339Nano)
	_, _ = fmt.Fprintf(l.file, "%s %s %c %s\n", moment, stream, tag, bytes.TrimSuffix(line, []byte("\n")))
}

// serveLogs answers as a kubelet does.
func (n *node) serveLogs(w http.ResponseWriter, r *http.Request) {
	var options corev1.PodLogOptions
	query, version := r.URL.Query(), corev1.SchemeGroupVersion
	if err := legacyscheme.ParameterCodec.DecodeParameters(query, version, &options); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	log, err := n.findLog(r, &options)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := flushwriter.Wrap(w)
	_ = http.NewResponseController(w).Flush()
	stdout, stderr := out, out
	if options.Stream != nil && *options.Stream == corev1.LogStreamStdout {
		stderr = io.Discard
	} else if options.Stream != nil && *options.Stream == corev1.LogStreamStderr {
		stdout = io.Discard
	}
	// What goes wrong from here on can only be seen as an end: the answer has begun.
	_ = crilogs.ReadLogs(r.Context(), log.path, "", log.options(&options), log, stdout, stderr)
}

// foundLog is the log of a run, with what reading code asks of a runtime: whether the run goes on.
type foundLog struct {
	criapi.RuntimeService // nil: nothing else is asked
	path                  string
	container             *container // nil if the pod was finished before the node started
	process               *process
}

func (l *foundLog) ContainerStatus(context.Context, string, bool) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_EXITED
	if l.process != nil {
		select {
		case <-l.process.done:
		default:
			state = runtimeapi.ContainerState_CONTAINER_RUNNING
		}
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}}, nil
}

func (l *foundLog) options(from *corev1.PodLogOptions) *crilogs.LogOptions {
	options := &crilogs.LogOptions{
		TailLines: from.TailLines, LimitBytes: from.LimitBytes, Follow: from.Follow, Timestamp: from.Timestamps,
	}
	if from.SinceSeconds != nil {
		options.Since = time.Now().Add(-time.Duration(*from.SinceSeconds) * time.Second)
	} else if from.SinceTime != nil {
		options.Since = from.SinceTime.Time
	}
	return options
}

// findLog finds the log that is asked for, in the pods that are here, or in the folder of one that was finished before
// the node started.
func (n *node) findLog(r *http.Request, options *corev1.PodLogOptions) (*foundLog, error) {
	namespace, name, containerName := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container")
	log, status := &foundLog{}, corev1.ContainerStatus{}
	p := n.find(namespace, name)
	if p == nil {
		object, err := n.client.CoreV1().Pods(namespace).Get(r.Context(), name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		p = newPod(n, object, "")
	}
	for _, c := range p.containers() {
		if c.spec.Name == containerName {
			p.mu.Lock()
			status, log.container, log.process = statuses([]*container{c})[0], c, c.process
			p.mu.Unlock()
		}
	}
	if log.container == nil {
		return nil, fmt.Errorf("container %q in pod %q is not available", containerName, name)
	}
	run, waits := status.RestartCount, status.State.Waiting
	switch {
	case options.Previous && status.LastTerminationState.Terminated == nil:
		return nil, fmt.Errorf("previous terminated container %q in pod %q not found", containerName, name)
	case options.Previous && waits == nil:
		run, log.process = run-1, nil
	case waits != nil && status.LastTerminationState.Terminated == nil:
		return nil, fmt.Errorf("container %q in pod %q is waiting to start: %s", containerName, name, waits.Reason)
	}
	log.path = log.container.log(run)
	return log, nil
}
