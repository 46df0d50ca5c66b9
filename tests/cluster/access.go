// Access: who may do what in the cluster, the kubeconfigs they come with, and the namespaces there are from the start.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The users, each with the group that gives it its rights, if any does. `viewer` gets its own from makeAccess.
var users = map[string]string{"admin": "system:masters", "viewer": "", "nobody": ""}

var namespaces = []string{"dashi-platform", "dashi-catalog", "dashi-backup", "dashi-ops", "dashi-monitoring"}

// makeUsers writes the tokens, once for the life of the data folder, and a kubeconfig for each.
func (c *cluster) makeUsers() error {
	if _, err := os.Stat(c.file("tokens.csv")); err != nil {
		var lines strings.Builder
		for user, group := range users {
			fmt.Fprintf(&lines, "%s,%s,%s,%q\n", rand.Text(), user, user, group)
		}
		if err := os.WriteFile(c.file("tokens.csv"), []byte(lines.String()), 0o600); err != nil {
			return err
		}
	}
	tokens, err := os.ReadFile(c.file("tokens.csv"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(tokens)) {
		fields := strings.Split(line, ",")
		if err := c.writeKubeconfig(fields[1], fields[0]); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) kubeconfig(user string) string { return c.file(user + ".kubeconfig") }

func (c *cluster) writeKubeconfig(user, token string) error {
	authority, err := os.ReadFile(c.file("ca.crt"))
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: c.address(c.apiPort), CertificateAuthorityData: authority}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user}
	config.CurrentContext = "test"
	return clientcmd.WriteToFile(*config, c.kubeconfig(user))
}

// makeAccess makes what users find in the cluster.
func makeAccess(ctx context.Context, client kubernetes.Interface) error {
	for _, name := range namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			return err
		}
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "viewer"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// settled tells whether pods are let in everywhere: none is before its namespace has its service account and authority.
func settled(ctx context.Context, client kubernetes.Interface) bool {
	for _, name := range append(namespaces, metav1.NamespaceDefault) {
		_, accountErr := client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		_, authorityErr := client.CoreV1().ConfigMaps(name).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		if accountErr != nil || authorityErr != nil {
			return false
		}
	}
	return true
}
