// The node: what it tells the cluster of itself, and the pods it holds, as virtual-kubelet asks for them. Pods write
// their own status (status.go), for virtual-kubelet would overwrite a pod's labels and finalizers with old ones.
package main

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	vknode "github.com/virtual-kubelet/virtual-kubelet/node"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

const nodeName = "test-node"

type node struct {
	nodeutil.Provider // nil: logs and streams have handlers of our own (logs.go, streams.go)

	client  kubernetes.Interface
	events  record.EventRecorder
	folder  string // one folder a pod
	images  string // the file that gives images a command
	apiPort int
	targets mountTargets

	mu      sync.Mutex
	pods    map[types.UID]*pod
	created int
	closed  bool
}

func (c *cluster) startNode(ctx context.Context, client kubernetes.Interface) (*node, error) {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: client.CoreV1().Events("")})
	n := &node{
		client:  client,
		events:  broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: nodeName}),
		folder:  c.file("pods"),
		images:  c.file("../images.json"),
		apiPort: c.apiPort,
		pods:    map[types.UID]*pod{},
	}
	if err := n.removeFolders(ctx); err != nil {
		return nil, err
	}
	tlsConfig, err := c.nodeTLS()
	if err != nil {
		return nil, err
	}
	provide := func(nodeutil.ProviderConfig) (nodeutil.Provider, vknode.NodeProvider, error) { return n, nil, nil }
	kubelet, err := nodeutil.NewNode(nodeName, provide, nodeutil.WithClient(client),
		func(config *nodeutil.NodeConfig) error {
			config.HTTPListenAddr = address(c.nodePort)
			config.TLSConfig = tlsConfig
			config.Handler = n.handler()
			config.NumWorkers = 20
			config.EventRecorder = &record.FakeRecorder{} // the node has events of its own, as a kubelet's
			config.SkipDownwardAPIResolution = true       // environment.go
			describe(&config.NodeSpec, c.nodePort)
			return nil
		})
	if err != nil {
		return nil, err
	}
	go func() { c.died <- kubelet.Run(ctx) }()
	return n, nil
}

func describe(object *corev1.Node, port int) {
	object.Labels[corev1.LabelOSStable] = runtime.GOOS
	object.Labels[corev1.LabelArchStable] = runtime.GOARCH
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("256Gi"),
		corev1.ResourcePods:             resource.MustParse("500"),
	}
	object.Status.Capacity, object.Status.Allocatable = room, room
	object.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: nodeName},
	}
	object.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	object.Status.NodeInfo = corev1.NodeSystemInfo{
		OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH, KubeletVersion: "v1.37.2",
	}
	for i := range object.Status.Conditions {
		object.Status.Conditions[i].Status = corev1.ConditionFalse
	}
}

func nodeReady(ctx context.Context, client kubernetes.Interface) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	object, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil || len(object.Spec.Taints) > 0 {
		return false
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// handler is what the API server asks of a kubelet.
func (n *node) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.serveLogs)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", n.serveExec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", n.servePortForward)
	return mux
}

// close ends all pods' processes, at once and without a word to the cluster, which ends too.
func (n *node) close() {
	n.mu.Lock()
	n.closed = true
	pods := maps.Clone(n.pods)
	n.mu.Unlock()
	for _, p := range pods {
		p.end(errNodeCloses, time.Second)
	}
	for _, p := range pods {
		<-p.done
	}
	n.targets.remove()
}

// ---- virtual-kubelet's questions ------------------------------------------------------------------------------------

func (n *node) CreatePod(_ context.Context, object *corev1.Pod) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errNodeCloses
	}
	n.created++
	// Made up: an EndpointSlice refuses loopback addresses, and nobody dials these.
	address := "10.88." + strconv.Itoa(n.created/250%250) + "." + strconv.Itoa(n.created%250+1)
	p := newPod(n, object, address)
	n.pods[object.UID] = p
	go p.live()
	return nil
}

func (n *node) UpdatePod(_ context.Context, object *corev1.Pod) error {
	if p := n.byUID(object.UID); p != nil {
		p.mu.Lock()
		p.object = object
		p.mu.Unlock()
	}
	return nil
}

func (n *node) DeletePod(_ context.Context, object *corev1.Pod) error {
	p := n.byUID(object.UID)
	if p == nil {
		return errdefs.NotFound("no such pod")
	}
	grace := 2 * time.Second // a pod that is no longer in the API gets this from a kubelet too
	if object.DeletionGracePeriodSeconds != nil {
		grace = time.Duration(*object.DeletionGracePeriodSeconds) * time.Second
	}
	p.end(errDeleted, grace)
	return nil
}

// GetPod leaves out pods that end: a pod of the same name may be there again by now.
func (n *node) GetPod(_ context.Context, namespace, name string) (*corev1.Pod, error) {
	p := n.find(namespace, name)
	if p == nil || p.ctx.Err() != nil {
		return nil, errdefs.NotFound("no such pod")
	}
	return p.seen(), nil
}

func (n *node) GetPodStatus(ctx context.Context, namespace, name string) (*corev1.PodStatus, error) {
	object, err := n.GetPod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return &object.Status, nil
}

// GetPods is asked when the node starts, and then there is none.
func (n *node) GetPods(context.Context) ([]*corev1.Pod, error) { return nil, nil }

func (n *node) NotifyPods(context.Context, func(*corev1.Pod)) {}

// ---- the pods -------------------------------------------------------------------------------------------------------

func (n *node) byUID(uid types.UID) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pods[uid]
}

// find is the pod of that name, rather one that does not end.
func (n *node) find(namespace, name string) (found *pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if p.namespace == namespace && p.name == name && (found == nil || p.ctx.Err() == nil) {
			found = p
		}
	}
	return found
}

// removeFolders removes what pods left that went while there was no node, or were finished before it started.
func (n *node) removeFolders(ctx context.Context) error {
	list, err := n.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, object := range list.Items {
		known[string(object.UID)] = true
	}
	folders, _ := os.ReadDir(n.folder)
	for _, folder := range folders {
		if !known[folder.Name()] {
			_ = os.RemoveAll(filepath.Join(n.folder, folder.Name()))
		}
	}
	return nil
}

func (n *node) forget(p *pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pods, p.uid)
	_ = os.RemoveAll(p.folder)
}
