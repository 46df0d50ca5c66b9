// Certificates: one authority, and one key with which etcd, the API server and the node serve, know each other as
// clients, and sign the tokens of service accounts. They are made once for the life of the data folder.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// makeCertificates writes ca.crt last: where it is, all is there.
func (c *cluster) makeCertificates() error {
	if _, err := os.Stat(c.file("ca.crt")); err == nil {
		return nil
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "dashictl-cluster"}, authorityKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	keyText, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	certificate, err := sign(authority, authorityKey, key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.file("cluster.key"), keyText, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(c.file("cluster.crt"), certificateText(certificate), 0o600); err != nil {
		return err
	}
	return os.WriteFile(c.file("ca.crt"), certificateText(authority.Raw), 0o600)
}

func sign(authority *x509.Certificate, authorityKey crypto.Signer, key crypto.PublicKey) ([]byte, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "dashictl-cluster-part"},
		DNSNames:     []string{"localhost", "kubernetes.default.svc"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return x509.CreateCertificate(rand.Reader, template, authority, key, authorityKey)
}

func certificateText(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// nodeTLS lets in who shows a certificate of our authority: who may speak to the node may run anything as its user.
func (c *cluster) nodeTLS() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.file("cluster.crt"), c.file("cluster.key"))
	if err != nil {
		return nil, err
	}
	authorities, err := cert.NewPool(c.file("ca.crt"))
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authorities,
	}, nil
}
