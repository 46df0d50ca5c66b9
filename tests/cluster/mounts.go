// Mounts: how the volumes of a pod come to where its containers look for them. It takes root; without it the volumes
// are filled and nobody sees them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

type mount struct {
	source, target string
	readOnly       bool
}

func (c *container) mounts(expand func(string) string) ([]mount, error) {
	var mounts []mount
	for _, m := range c.spec.VolumeMounts {
		source := filepath.Join(c.pod.volume(m.Name), filepath.Clean("/"+m.SubPath+expand(m.SubPathExpr)))
		if _, err := os.Stat(source); err != nil {
			if err := os.MkdirAll(source, 0o777); err != nil { // a subPath of an emptyDir
				return nil, err
			}
		}
		mounts = append(mounts, mount{source, filepath.Clean(m.MountPath), m.ReadOnly})
	}
	slices.SortFunc(mounts, func(a, b mount) int { return strings.Compare(a.target, b.target) })
	return mounts, nil
}

// enterMounts gives the calling thread, and what is started from it, these mounts.
func enterMounts(mounts []mount, targets *mountTargets) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, m := range mounts {
		if err := m.bind(targets); err != nil {
			return fmt.Errorf("mount of %s: %w", m.target, err)
		}
	}
	return nil
}

func (m mount) bind(targets *mountTargets) error {
	if err := targets.make(m); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil || !m.readOnly {
		return err
	}
	return unix.Mount("", m.target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// mountTargets are the files and folders that had to be made on this machine, to mount something there. They go when
// the node does: earlier, another pod may have its mount there.
type mountTargets struct {
	mu   sync.Mutex
	made []string
}

func (t *mountTargets) make(m mount) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var missing []string
	for at := m.target; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil {
			break
		}
		missing = append(missing, at)
	}
	slices.Reverse(missing)
	t.made = append(t.made, missing...)
	source, err := os.Stat(m.source)
	if err != nil || source.IsDir() {
		return os.MkdirAll(m.target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(m.target), 0o755); err != nil || len(missing) == 0 {
		return err
	}
	return os.WriteFile(m.target, nil, 0o644)
}

// remove removes what is empty of it, and where no other cluster's container has a mount: that would be gone.
func (t *mountTargets) remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	used := mountPoints()
	for _, path := range slices.Backward(t.made) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || used[real] {
			continue
		}
		if info, err := os.Lstat(real); err == nil && (info.IsDir() || info.Size() == 0) {
			_ = os.Remove(real)
		}
	}
}

// mountPoints is where any process has a mount (proc(5), mountinfo, field 5).
func mountPoints() map[string]bool {
	used := map[string]bool{}
	files, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 4 {
				used[fields[4]] = true
			}
		}
	}
	return used
}
