// A process of a container, or of an exec into one: started, waited for, ended with all that it started.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// order is what is to be started.
type order struct {
	argv        []string
	environment []string
	folder      string
	enter       func() error // puts the thread it is called on where the process is to be
	in          io.Reader    // may be nil
	out, err    func(io.Reader)
	mark        string // what is left with this in its environment is killed at the end, if it is not empty
}

type process struct {
	pid  int
	code int32         // once done
	done chan struct{} // closed when it has ended, with its output read
	outs sync.WaitGroup
}

func start(o order) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go p.live(o, started)
	return p, <-started
}

// live is all of a process's life, on one thread: the thread has mounts of its own that the process gets from it, and
// the process dies with the thread. The thread is never given back, so that no one else gets those mounts.
func (p *process) live(o order, started chan<- error) {
	runtime.LockOSThread()
	command, err := p.launch(o)
	started <- err
	if err != nil {
		return
	}
	state, err := command.Process.Wait()
	p.code = exitCode(state, err)
	if o.mark != "" {
		killMarked(o.mark)
	}
	p.awaitOutput()
	close(p.done)
}

func (p *process) launch(o order) (*exec.Cmd, error) {
	if len(o.argv) == 0 {
		return nil, errors.New("no command is specified, and the image has none")
	}
	command := &exec.Cmd{Args: o.argv, Env: o.environment, Dir: o.folder}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	var ours []*os.File // the process's ends of pipes, which we close once it has them
	defer func() {
		for _, file := range ours {
			file.Close()
		}
	}()
	output := func(read func(io.Reader)) (*os.File, error) {
		reader, writer, err := os.Pipe()
		if err == nil {
			ours = append(ours, writer)
			p.outs.Go(func() { read(reader); reader.Close() })
		}
		return writer, err
	}
	out, outErr := output(o.out)
	diagnostics, diagnosticsErr := output(o.err)
	in, inErr := input(o.in)
	if in != nil {
		ours = append(ours, in)
		command.Stdin = in
	}
	if err := errors.Join(outErr, diagnosticsErr, inErr, o.enter()); err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = out, diagnostics
	var err error
	if command.Path, err = find(o.argv[0], o.environment); err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p.pid = command.Process.Pid
	return command, nil
}

// input is a pipe that is filled from a reader, or nothing. Nobody waits for it: a client may hold it open for ever.
func input(from io.Reader) (*os.File, error) {
	if from == nil {
		return nil, nil
	}
	reader, writer, err := os.Pipe()
	if err == nil {
		go func() { _, _ = io.Copy(writer, from); writer.Close() }()
	}
	return reader, err
}

// awaitOutput waits for the end of the output, and not for long: a process may have left it to another one.
func (p *process) awaitOutput() {
	read := make(chan struct{})
	go func() { p.outs.Wait(); close(read) }()
	select {
	case <-read:
	case <-time.After(2 * time.Second):
	}
}

// end asks the process and what it started to end, and kills them when that is overdue.
func (p *process) end(overdue func() bool) {
	_ = syscall.Kill(-p.pid, syscall.SIGTERM)
	for {
		select {
		case <-p.done:
			return
		case <-time.After(50 * time.Millisecond):
			if overdue() {
				_ = syscall.Kill(-p.pid, syscall.SIGKILL)
			}
		}
	}
}

// join puts the calling thread where the process is.
func (p *process) join() error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	mounts, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", p.pid))
	if err != nil {
		return err
	}
	defer mounts.Close()
	return unix.Setns(int(mounts.Fd()), unix.CLONE_NEWNS)
}

func exitCode(state *os.ProcessState, err error) int32 {
	if err != nil {
		return 255
	}
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return int32(128 + status.Signal())
	}
	return int32(status.ExitStatus())
}

// find is where a program is in the PATH of the environment it is to have.
func find(program string, environment []string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	folders := ""
	for _, value := range environment {
		if list, ok := strings.CutPrefix(value, "PATH="); ok {
			folders = list
		}
	}
	for _, folder := range filepath.SplitList(folders) {
		file := filepath.Join(folder, program)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", program)
}

// killMarked kills all processes with that in their environment, until there is none.
func killMarked(mark string) {
	for found := true; found; {
		found = false
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range files {
			environment, err := os.ReadFile(file)
			if err == nil && bytes.Contains(environment, append([]byte(mark), 0)) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
				found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
			}
		}
	}
}
