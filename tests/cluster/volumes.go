// Volumes: config maps, secrets, service-account tokens, fields of the pod, and empty folders, as files in the folder
// of the pod. They are filled once, before the first container.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type files map[string][]byte

func (p *pod) volume(name string) string { return p.path("volumes", name) }

// fill fills one volume.
func (p *pod) fill(object *corev1.Pod, volume *corev1.Volume) error {
	folder := p.volume(volume.Name)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	if volume.EmptyDir != nil {
		return os.Chmod(folder, 0o777)
	}
	for _, source := range sources(volume) {
		content, err := p.project(object, source)
		if err != nil {
			return err
		}
		if err := content.write(folder, owner(object), mode(volume)); err != nil {
			return err
		}
	}
	return nil
}

// owner is the group that a kubelet gives the files of a volume to; none where there is nobody to be given to.
func owner(object *corev1.Pod) *int {
	if context := object.Spec.SecurityContext; context != nil && context.FSGroup != nil && os.Geteuid() == 0 {
		group := int(*context.FSGroup)
		return &group
	}
	return nil
}

func mode(volume *corev1.Volume) os.FileMode {
	var mode *int32
	switch {
	case volume.ConfigMap != nil:
		mode = volume.ConfigMap.DefaultMode
	case volume.Secret != nil:
		mode = volume.Secret.DefaultMode
	case volume.Projected != nil:
		mode = volume.Projected.DefaultMode
	}
	if mode == nil {
		return 0o644
	}
	return os.FileMode(*mode)
}

// sources is a volume as one projected from one or several sources.
func sources(volume *corev1.Volume) []corev1.VolumeProjection {
	switch {
	case volume.ConfigMap != nil:
		v := volume.ConfigMap
		return []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: v.LocalObjectReference, Items: v.Items, Optional: v.Optional}}}
	case volume.Secret != nil:
		v := volume.Secret
		return []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: v.SecretName}, Items: v.Items, Optional: v.Optional}}}
	case volume.DownwardAPI != nil:
		return []corev1.VolumeProjection{{DownwardAPI: &corev1.DownwardAPIProjection{Items: volume.DownwardAPI.Items}}}
	case volume.Projected != nil:
		return volume.Projected.Sources
	}
	return []corev1.VolumeProjection{{}}
}

func (p *pod) project(object *corev1.Pod, source corev1.VolumeProjection) (files, error) {
	switch {
	case source.ConfigMap != nil:
		s := source.ConfigMap
		data, err := p.configMap(s.Name, s.Optional)
		if err != nil {
			return nil, err
		}
		return data.pick(s.Items, s.Optional, "configmap "+s.Name)
	case source.Secret != nil:
		s := source.Secret
		data, err := p.secret(s.Name, s.Optional)
		if err != nil {
			return nil, err
		}
		return data.pick(s.Items, s.Optional, "secret "+s.Name)
	case source.DownwardAPI != nil:
		content := files{}
		for _, item := range source.DownwardAPI.Items {
			value, err := p.field(object, nil, item.FieldRef, item.ResourceFieldRef)
			if err != nil {
				return nil, err
			}
			content[item.Path] = []byte(value)
		}
		return content, nil
	case source.ServiceAccountToken != nil:
		token, err := p.token(object, source.ServiceAccountToken)
		return files{source.ServiceAccountToken.Path: []byte(token)}, err
	}
	return nil, fmt.Errorf("the test cluster has no volumes of this kind")
}

func (p *pod) token(object *corev1.Pod, source *corev1.ServiceAccountTokenProjection) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			Kind: "Pod", APIVersion: "v1", Name: p.name, UID: p.uid},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	accounts := p.node.client.CoreV1().ServiceAccounts(p.namespace)
	answer, err := accounts.CreateToken(p.ctx, object.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}

// configMap is the content of a config map; one that is optional may be missing.
func (p *pod) configMap(name string, optional *bool) (files, error) {
	object, err := p.node.client.CoreV1().ConfigMaps(p.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return missing(optional, fmt.Errorf("configmap %q not found", name))
	}
	if err != nil {
		return nil, err
	}
	content := files{}
	maps.Copy(content, object.BinaryData)
	for key, value := range object.Data {
		content[key] = []byte(value)
	}
	return content, nil
}

func (p *pod) secret(name string, optional *bool) (files, error) {
	object, err := p.node.client.CoreV1().Secrets(p.namespace).Get(context.Background(), name, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return missing(optional, fmt.Errorf("secret %q not found", name))
	}
	if err != nil {
		return nil, err
	}
	return object.Data, nil
}

func missing(optional *bool, err error) (files, error) {
	if optional != nil && *optional {
		return nil, nil
	}
	return nil, err
}

// pick is what the items name, or all when there are none.
func (f files) pick(items []corev1.KeyToPath, optional *bool, source string) (files, error) {
	if len(items) == 0 {
		return f, nil
	}
	picked := files{}
	for _, item := range items {
		if content, ok := f[item.Key]; ok {
			picked[item.Path] = content
			continue
		}
		_, err := missing(optional, fmt.Errorf("%s references non-existent key: %s", source, item.Key))
		if err != nil {
			return nil, err
		}
	}
	return picked, nil
}

func (f files) write(folder string, group *int, mode os.FileMode) error {
	for name, content := range f {
		file := filepath.Join(folder, filepath.Clean("/"+name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, mode); err != nil {
			return err
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask is
			return err
		}
		if group != nil {
			if err := os.Chown(file, -1, *group); err != nil {
				return err
			}
		}
	}
	return nil
}
