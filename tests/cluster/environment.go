// The environment of a container: from its spec, secrets, config maps and fields of the pod, with references to earlier
// variables resolved.
package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environment is the variables, and what resolves $(NAME) in a command or path.
func (c *container) environment() ([]string, func(string) string, error) {
	p := c.pod
	object := p.seen()
	port := strconv.Itoa(p.node.apiPort)
	values := map[string]string{
		"PATH":     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":     p.path("work"),
		"LANG":     "C.UTF-8",
		"HOSTNAME": p.name,
		// Where the API server really is: no pod has a network of its own.
		"KUBERNETES_SERVICE_HOST":       "127.0.0.1",
		"KUBERNETES_SERVICE_PORT":       port,
		"KUBERNETES_SERVICE_PORT_HTTPS": port,
	}
	for _, source := range c.spec.EnvFrom {
		content, err := p.envFrom(source)
		if err != nil {
			return nil, nil, err
		}
		for name, value := range content {
			values[source.Prefix+name] = string(value)
		}
	}
	expand := func(text string) string { return expansion.Expand(text, expansion.MappingFuncFor(values)) }
	for _, variable := range c.spec.Env {
		value, found, err := c.value(object, variable)
		if err != nil {
			return nil, nil, err
		}
		if found {
			values[variable.Name] = expand(value)
		}
	}
	list := []string{c.mark()}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return list, expand, nil
}

func (p *pod) envFrom(source corev1.EnvFromSource) (files, error) {
	if source.ConfigMapRef != nil {
		return p.configMap(source.ConfigMapRef.Name, source.ConfigMapRef.Optional)
	}
	return p.secret(source.SecretRef.Name, source.SecretRef.Optional)
}

func (c *container) value(object *corev1.Pod, variable corev1.EnvVar) (value string, found bool, err error) {
	from := variable.ValueFrom
	switch {
	case from == nil:
		return variable.Value, true, nil
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		data, err := c.pod.secret(ref.Name, ref.Optional)
		return c.pod.key(data, err, ref.Key, ref.Optional, "Secret", ref.Name)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		data, err := c.pod.configMap(ref.Name, ref.Optional)
		return c.pod.key(data, err, ref.Key, ref.Optional, "ConfigMap", ref.Name)
	}
	value, err = c.pod.field(object, &c.spec, from.FieldRef, from.ResourceFieldRef)
	return value, err == nil, err
}

func (p *pod) key(data files, err error, key string, optional *bool, kind, name string) (string, bool, error) {
	if err != nil {
		return "", false, err
	}
	value, found := data[key]
	if !found {
		_, err = missing(optional, fmt.Errorf("couldn't find key %s in %s %s/%s", key, kind, p.namespace, name))
	}
	return string(value), found, err
}

// field is a field of the pod, or a resource of the container.
func (p *pod) field(object *corev1.Pod, spec *corev1.Container, field *corev1.ObjectFieldSelector,
	amount *corev1.ResourceFieldSelector) (string, error) {
	if field != nil {
		switch field.FieldPath {
		case "status.podIP", "status.podIPs":
			return p.address, nil
		case "status.hostIP", "status.hostIPs":
			return "127.0.0.1", nil
		case "spec.nodeName":
			return nodeName, nil
		case "spec.serviceAccountName":
			return object.Spec.ServiceAccountName, nil
		}
		return fieldpath.ExtractFieldPathAsString(object, field.FieldPath)
	}
	if amount != nil && spec != nil {
		return resource.ExtractContainerResourceValue(amount, spec)
	}
	return "", fmt.Errorf("the test cluster has no values of this kind")
}
