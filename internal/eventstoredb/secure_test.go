package eventstoredb_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatkitd/chatkitd"
	"github.com/chatkitd/chatkitd/events"
	"github.com/chatkitd/chatkitd/events/eventstest"
	"github.com/chatkitd/chatkitd/internal/esdbserver"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
	"github.com/chatkitd/chatkitd/internal/memstore"
)

// certificate returns a self-signed certificate of 127.0.0.1 and its files.
func certificate(t *testing.T) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "eventstoredb-node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cert, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	return cert, certFile, keyFile
}

func TestSecureServer(t *testing.T) {
	leaves(t)
	cert, certFile, keyFile := certificate(t)
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	engine := memstore.New()
	t.Cleanup(func() { _ = engine.Close() })
	users := map[string]string{"admin": "p@ss"}
	server := serve(t, engine, esdbserver.Options{Users: users, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}})
	mutual := serve(t, engine, esdbserver.Options{TLS: &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}})
	plain := serve(t, engine, esdbserver.Options{Users: users})
	for _, tt := range []struct {
		name     string
		url      string
		insecure bool
		want     error
	}{
		{"a certificate that is trusted, and a password", "esdb://admin:p%40ss@" + server.Addr() + "?tlsCaFile=" + certFile, false, nil},
		{"discovery", "esdb+discover://admin:p%40ss@" + server.Addr() + "?tlsCaFile=" + certFile, false, nil},
		{"a certificate that is not looked at", "esdb://admin:p%40ss@" + server.Addr() + "?tlsVerifyCert=false", false, nil},
		{"a certificate that is not trusted", "esdb://admin:p%40ss@" + server.Addr() + "?defaultDeadline=300", false, events.ErrUnavailable},
		{"a wrong password", "esdb://admin:other@" + server.Addr() + "?tlsCaFile=" + certFile, false, eventstoredb.ErrDenied},
		{"no password", "esdb://" + server.Addr() + "?tlsCaFile=" + certFile, false, eventstoredb.ErrDenied},
		{"a client certificate", "esdb://" + mutual.Addr() + "?tlsCaFile=" + certFile + "&userCertFile=" + certFile + "&userKeyFile=" + keyFile, false, nil},
		{"no client certificate", "esdb://" + mutual.Addr() + "?defaultDeadline=300&tlsCaFile=" + certFile, false, events.ErrUnavailable},
		{"a password in plain text, since it is wanted", "esdb://admin:p%40ss@" + plain.Addr() + "?tls=false", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, eventstoredb.Options{URL: tt.url, InsecureCredentials: tt.insecure})
			_, err := s.Append(t.Context(), "test-1", events.Any, eventstest.Events(1)...)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if errors.Is(tt.want, eventstoredb.ErrDenied) {
				sub, err := s.Subscribe(t.Context(), chatkitd.Position{}, events.Filter{})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = sub.Close() }()
				if _, err := sub.Next(t.Context()); !errors.Is(err, eventstoredb.ErrDenied) {
					t.Errorf("Next = %v, want ErrDenied", err)
				}
			}
		})
	}
	_, err = eventstoredb.New(eventstoredb.Options{URL: "esdb://admin:p%40ss@" + plain.Addr() + "?tls=false"})
	if err == nil || !strings.Contains(err.Error(), "tls=false") {
		t.Errorf("a password over plain text without a word of consent: %v", err)
	}
	for _, key := range []string{"tlsCaFile=/nowhere", "tlsCaFile=" + keyFile, "userCertFile=/nowhere&userKeyFile=" + keyFile} {
		if _, err := eventstoredb.New(eventstoredb.Options{URL: "esdb://localhost?" + key}); err == nil {
			t.Errorf("%s was taken", key)
		}
	}
}
