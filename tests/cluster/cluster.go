// The cluster as a whole: the parts of the control plane with their flags, the order in which all starts and ends, and
// the plain HTTP port that tells whether it is ready.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const patience = 2 * time.Minute // for each step of a start

type cluster struct {
	state                                                string // the state folder: data/ and log/ are there
	etcdPort, etcdPeerPort, apiPort, nodePort, readyPort int
	died                                                 chan error
	parts                                                []*exec.Cmd
	ended                                                sync.WaitGroup // all parts
}

// run is the cluster from its start to SIGTERM, or to the end of any part of it.
func run(arguments []string) error {
	c := &cluster{died: make(chan error, 16)}
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	flags.StringVar(&c.state, "state", "", "the state folder")
	flags.IntVar(&c.etcdPort, "etcd", 0, "port of etcd")
	flags.IntVar(&c.etcdPeerPort, "etcd-peer", 0, "port for the peers that etcd does not have")
	flags.IntVar(&c.apiPort, "api", 0, "port of the API server")
	flags.IntVar(&c.nodePort, "node", 0, "port on which the API server asks the node")
	flags.IntVar(&c.readyPort, "ready", 0, "port that answers 200 while the cluster is ready")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	defer c.end()
	return c.live(ctx)
}

func (c *cluster) live(ctx context.Context) error {
	client, err := c.startPlane(ctx)
	if err != nil {
		return err
	}
	node, err := c.startNode(ctx, client)
	if err != nil {
		return err
	}
	defer node.close()
	if err := c.await("the service accounts", func() bool { return settled(ctx, client) }); err != nil {
		return err
	}
	if err := c.await("the node", func() bool { return nodeReady(ctx, client) }); err != nil {
		return err
	}
	ready := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !nodeReady(r.Context(), client) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	go func() { c.died <- http.ListenAndServe(address(c.readyPort), ready) }()
	select {
	case err = <-c.died:
	case <-ctx.Done():
	}
	return err
}

func (c *cluster) startPlane(ctx context.Context) (kubernetes.Interface, error) {
	if err := c.makeCertificates(); err != nil {
		return nil, err
	}
	if err := c.makeUsers(); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig("admin"))
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // no limit
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c.start("etcd", c.etcd())
	if err := c.await("etcd", func() bool { return listens(c.etcdPort) }); err != nil {
		return nil, err
	}
	c.start("apiserver", c.apiserver())
	ready := func() bool { return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil }
	if err := c.await("the API server", ready); err != nil {
		return nil, err
	}
	c.start("controllers", c.controllers())
	c.start("scheduler", c.scheduler())
	return client, makeAccess(ctx, client)
}

// start starts a part of the control plane, with its log in log/.
func (c *cluster) start(part string, flags []string) {
	log, err := os.Create(filepath.Join(c.state, "log", part+".log"))
	if err != nil {
		c.died <- err
		return
	}
	defer log.Close()
	command := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{"cluster", part}, flags...)}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		c.died <- err
		return
	}
	c.parts = append(c.parts, command)
	c.ended.Go(func() { c.died <- fmt.Errorf("%s ended (%v): see %s", part, command.Wait(), log.Name()) })
}

// end ends the control plane, the last part first. Only etcd has something to lose.
func (c *cluster) end() {
	for i := len(c.parts) - 1; i >= 0; i-- {
		signal := syscall.SIGKILL
		if i == 0 {
			signal = syscall.SIGTERM
		}
		_ = c.parts[i].Process.Signal(signal)
	}
	ended := make(chan struct{})
	go func() { c.ended.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second): // our own end kills what is left
	}
}

// await asks until the answer is yes, a part has died or patience has.
func (c *cluster) await(what string, there func() bool) error {
	deadline := time.After(patience)
	for !there() {
		select {
		case err := <-c.died:
			return err
		case <-deadline:
			return fmt.Errorf("%s did not answer within %s", what, patience)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (c *cluster) file(name string) string { return filepath.Join(c.state, "data", name) }

func (c *cluster) address(port int) string { return "https://" + address(port) }

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func listens(port int) bool {
	connection, err := net.DialTimeout("tcp", address(port), time.Second)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

// No fsync: it is a test's data.
func (c *cluster) etcd() []string {
	client, peer := c.address(c.etcdPort), "http://"+address(c.etcdPeerPort)
	return []string{
		"--name=test", "--data-dir=" + c.file("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=test=" + peer,
		"--cert-file=" + c.file("cluster.crt"), "--key-file=" + c.file("cluster.key"),
		"--client-cert-auth", "--trusted-ca-file=" + c.file("ca.crt"),
	}
}

func (c *cluster) apiserver() []string {
	certificate, key, authority := c.file("cluster.crt"), c.file("cluster.key"), c.file("ca.crt")
	return []string{
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.apiPort),
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + certificate, "--tls-private-key-file=" + key,
		"--etcd-servers=" + c.address(c.etcdPort),
		"--etcd-certfile=" + certificate, "--etcd-keyfile=" + key, "--etcd-cafile=" + authority,
		"--token-auth-file=" + c.file("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-certificate-authority=" + authority,
		"--kubelet-client-certificate=" + certificate, "--kubelet-client-key=" + key,
	}
}

// A machine that is busy for a minute has no broken node.
func (c *cluster) controllers() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig("admin"), "--leader-elect=false", "--secure-port=0",
		"--kube-api-qps=500", "--kube-api-burst=1000", "--node-monitor-grace-period=10m",
		"--root-ca-file=" + c.file("ca.crt"), "--service-account-private-key-file=" + c.file("cluster.key"),
	}
}

func (c *cluster) scheduler() []string {
	return []string{"--kubeconfig=" + c.kubeconfig("admin"), "--leader-elect=false", "--secure-port=0"}
}
