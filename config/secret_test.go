package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/chatkitd/chatkitd/config"
)

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "correct-horse-battery-staple-42!"
	cfg := config.Config{JWTSecret: secret, OpenAIAPIKey: secret, EventStore: secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", cfg, &cfg, cfg.JWTSecret)
	}
	fmt.Fprintln(&out, cfg, errors.Join(fmt.Errorf("%w %v", io.EOF, cfg.JWTSecret)))
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("settings", "config", cfg, "pointer", &cfg, "secret", cfg.JWTSecret)
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"config": cfg, "secret": cfg.JWTSecret}); err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "horse"} {
		if strings.Contains(out.String(), shown) {
			t.Errorf("printed %q in\n%s", shown, out.String())
		}
	}
	if !strings.Contains(out.String(), "[secret]") {
		t.Error("nothing says that there is a secret")
	}
}

func TestSecretsAreNotInHelp(t *testing.T) {
	const secret = "correct-horse-battery-staple-42!"
	clearEnv(t)
	t.Setenv("JWT_SECRET", secret)
	t.Setenv("OPENAI_API_KEY", secret)
	t.Setenv("CHATKITD_EVENTSTORE", secret)
	var cli struct {
		config.Config
		Serve struct{} `cmd:"" default:"1"`
	}
	var out bytes.Buffer
	parser, err := kong.New(&cli, append(cli.Options(), kong.Writers(&out, &out), kong.Exit(func(int) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse([]string{"serve", "--help"})
	if text := fmt.Sprint(out.String(), err); strings.Contains(text, secret) || !strings.Contains(text, "--jwt-secret") {
		t.Errorf("help is\n%s", text)
	}
}

func TestDevSecretIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := config.DevSecret(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) < config.MinSecret {
		t.Errorf("the secret has %d bytes", len(first))
	}
	again, err := config.DevSecret(dir)
	if err != nil || again.Reveal() != first.Reveal() {
		t.Errorf("the second call gives another secret, or %v", err)
	}
	other, err := config.DevSecret(t.TempDir())
	if err != nil || other.Reveal() == first.Reveal() {
		t.Errorf("another folder has the same secret, or %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, config.DevSecretFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestDevSecretIsOneForAll(t *testing.T) {
	dir := t.TempDir()
	got := make([]config.Secret, 32)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = config.DevSecret(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range got {
		if s.Reveal() != got[0].Reveal() || s == "" {
			t.Fatal("two callers got different secrets")
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files are left, %v; want the secret alone", len(files), err)
	}
}

func TestDevSecretRefusesABadFile(t *testing.T) {
	tests := []struct {
		name    string
		content string
		mode    os.FileMode
		want    string
	}{
		{"others can read it", strings.Repeat("s", 64), 0o640, "chmod 600"},
		{"too short", "changeit", 0o600, "delete it"},
		{"empty", "", 0o600, "delete it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, config.DevSecretFile)
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			s, err := config.DevSecret(dir)
			if s != "" || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v; want an error that names %s and says %q", err, path, tt.want)
			}
			if err != nil && tt.content != "" && strings.Contains(err.Error(), tt.content) {
				t.Errorf("the message holds the secret: %v", err)
			}
		})
	}
}
