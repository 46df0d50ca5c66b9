// The program of the test cluster: this file says which part of it a process is. `run` is the node, and starts the four
// parts of the control plane as children of its own, each this same program under another word.
package main

import (
	"fmt"
	"os"
	"runtime"
	_ "time/tzdata" // for the time zones of CronJobs

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// What a process starts dies with the thread that started it (Pdeathsig), so main stays on the one that lives longest.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: %s run | etcd | apiserver | controllers | scheduler FLAG..", os.Args[0]))
	}
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "run":
		fail(run(os.Args[1:]))
	case "etcd":
		etcdmain.Main(os.Args)
	case "apiserver":
		command(apiserver.NewAPIServerCommand())
	case "controllers":
		command(controllers.NewControllerManagerCommand())
	case "scheduler":
		command(scheduler.NewSchedulerCommand())
	default:
		fail(fmt.Errorf("no part of the cluster is named %q", os.Args[0]))
	}
}

func command(c *cobra.Command) { os.Exit(cli.Run(c)) }

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}
