// Package deploy_test holds the image, the compose files and the proxy's
// configuration to what the program is.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/chatkitd/chatkitd/config"
	"github.com/chatkitd/chatkitd/internal/eventstoredb"
)

// compose is what is looked at of a compose file.
type compose struct {
	Services map[string]service
	Volumes  map[string]any
	Networks map[string]any
}

type service struct {
	Image           string
	Build           any
	Environment     map[string]string
	Ports           []string
	Volumes         []string
	Networks        []string
	NetworkMode     string `yaml:"network_mode"`
	DependsOn       any    `yaml:"depends_on"` // a list, or a map with conditions
	Healthcheck     struct{ Test []string }
	Restart         string
	MemLimit        string   `yaml:"mem_limit"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	SecurityOpt     []string `yaml:"security_opt"`
	CapDrop         []string `yaml:"cap_drop"`
	ReadOnly        bool     `yaml:"read_only"`
}

// once reports whether the service does its work and ends.
func (s service) once() bool { return s.Restart == "no" }

const (
	laptop  = "../docker-compose.yml"
	cluster = "docker-compose.cluster.yml"
)

func files() []string { return []string{laptop, cluster} }

func load(t *testing.T, file string) compose {
	t.Helper()
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, file)), &c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(c.Services) < 2 {
		t.Fatalf("%s has %d services", file, len(c.Services))
	}
	return c
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// variable is one of compose: ${NAME}, ${NAME:-default}, ${NAME:?message}.
var variable = regexp.MustCompile(`\$\{([A-Z_]+)(?::([-?])([^}]*))?\}`)

// interpolate replaces variables by their defaults, and by value where there is
// none.
func interpolate(text, value string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if m := variable.FindStringSubmatch(v); m[2] == "-" {
			return m[3]
		}
		return value
	})
}

// tag is one that says a version, and so means the same tomorrow.
var tag = regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$`)

func TestImagesArePinned(t *testing.T) {
	for _, file := range files() {
		for name, s := range load(t, file).Services {
			if image := interpolate(s.Image, ""); s.Build == nil && !tag.MatchString(image) {
				t.Errorf("%s: %s: the image %q is not pinned by a full version", file, name, image)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`).FindAllStringSubmatch(read(t, "../Dockerfile"), -1) {
		if m[1] != "scratch" && !tag.MatchString(m[1]) {
			t.Errorf("Dockerfile: the image %q is not pinned by a full version", m[1])
		}
	}
}

func TestServicesAreBounded(t *testing.T) {
	health := strings.Contains(read(t, "../Dockerfile"), "\nHEALTHCHECK ")
	for _, file := range files() {
		for name, s := range load(t, file).Services {
			problem := func(what string) { t.Errorf("%s: %s %s", file, name, what) }
			if s.MemLimit == "" {
				problem("has no limit on memory")
			}
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					problem("can be reached from other machines at " + port)
				}
			}
			if s.once() {
				continue
			}
			if len(s.Healthcheck.Test) < 2 && (s.Build == nil || !health) {
				problem("has no health check")
			}
			if s.Restart != "unless-stopped" {
				problem("does not start again")
			}
			if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || !slices.Contains(s.CapDrop, "ALL") {
				problem("has rights that it does not need")
			}
			if s.Build != nil && !s.ReadOnly {
				problem("may write elsewhere than into its volumes")
			}
		}
	}
}

func TestNamesLeadSomewhere(t *testing.T) {
	for _, file := range files() {
		c := load(t, file)
		used := map[string]bool{}
		for name, s := range c.Services {
			for other, condition := range dependencies(s) {
				dep, ok := c.Services[other]
				if !ok || condition == "service_completed_successfully" != dep.once() {
					t.Errorf("%s: %s waits for %s (%s) in vain", file, name, other, condition)
				}
			}
			for _, v := range s.Volumes {
				source, _, _ := strings.Cut(v, ":")
				if strings.HasPrefix(source, ".") {
					if _, err := os.Stat(filepath.Join(filepath.Dir(file), source)); err != nil {
						t.Errorf("%s: %s: %v", file, name, err)
					}
					continue
				}
				used[source] = true
				if _, ok := c.Volumes[source]; !ok {
					t.Errorf("%s: %s uses the volume %s, which there is not", file, name, source)
				}
			}
			for _, n := range s.Networks {
				if _, ok := c.Networks[n]; !ok {
					t.Errorf("%s: %s uses the network %s, which there is not", file, name, n)
				}
			}
		}
		for v := range c.Volumes {
			if !used[v] {
				t.Errorf("%s: nobody uses the volume %s", file, v)
			}
		}
	}
}

// dependencies returns the services that s waits for, and until when.
func dependencies(s service) map[string]string {
	all := map[string]string{}
	switch deps := s.DependsOn.(type) {
	case []any:
		for _, name := range deps {
			all[name.(string)] = "service_started"
		}
	case map[string]any:
		for name, how := range deps {
			all[name], _ = how.(map[string]any)["condition"].(string)
		}
	}
	return all
}

// secret is text that names one.
var secret = regexp.MustCompile(`(?i)secret|password|:[^/@]+@|api_?key`)

// TestNoSecretIsWrittenDown wants secrets from outside, and a message where one is
// missing.
func TestNoSecretIsWrittenDown(t *testing.T) {
	for _, file := range files() {
		required := map[string]bool{}
		for _, m := range variable.FindAllStringSubmatch(read(t, file), -1) {
			if m[2] == "?" && strings.Contains(m[3], "set "+m[1]+" to ") {
				required[m[1]] = true
			}
		}
		for name, s := range load(t, file).Services {
			for key, value := range s.Environment {
				if !secret.MatchString(key) && !secret.MatchString(value) || strings.HasSuffix(key, "_FILE") {
					continue
				}
				m := variable.FindStringSubmatch(value)
				if m == nil || m[2] == "-" && m[3] != "" || m[2] != "-" && !required[m[1]] {
					t.Errorf("%s: %s: %s is %q, which is no variable that has to be set", file, name, key, value)
				}
			}
		}
	}
}

// TestTheProgramTakesItsSettings gives each chatkitd its environment and has it
// judged by what the program itself judges with.
func TestTheProgramTakesItsSettings(t *testing.T) {
	image := imageEnvironment(t)
	for _, file := range files() {
		found := 0
		for name, s := range load(t, file).Services {
			if s.Build == nil {
				continue
			}
			found++
			t.Run(filepath.Base(file)+" "+name, func(t *testing.T) {
				for _, known := range config.Names() {
					t.Setenv(known, "")
				}
				for _, env := range []map[string]string{image, s.Environment} {
					for key, value := range env {
						if !slices.Contains(config.Names(), key) && key != "GOMEMLIMIT" {
							t.Errorf("%s is no setting", key)
						}
						t.Setenv(key, interpolate(value, "0123456789abcdef0123456789abcdef"))
					}
				}
				cfg := parse(t)
				address := cfg.EventStore.Reveal()
				if strings.Contains(address, "tlsCaFile=") && !slices.Contains(s.Volumes, "trust:/trust:ro") {
					t.Error("it does not see the certificate of the authority")
				}
				store, err := eventstoredb.New(eventstoredb.Options{URL: strings.Replace(address, "tlsCaFile=/trust/ca.crt", "", 1)})
				if err != nil {
					t.Fatalf("CHATKITD_EVENTSTORE: %v", err)
				}
				if err := store.Close(); err != nil {
					t.Error(err)
				}
				if grace, err := time.ParseDuration(s.StopGracePeriod); err != nil || grace <= cfg.ShutdownTimeout {
					t.Errorf("it is killed after %s, but may take %s to stop, %v", s.StopGracePeriod, cfg.ShutdownTimeout, err)
				}
				if !slices.ContainsFunc(s.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+cfg.Data) }) {
					t.Errorf("no volume is at %s", cfg.Data)
				}
				for _, port := range s.Ports {
					if _, listens, _ := strings.Cut(cfg.Listen, ":"); !strings.HasSuffix(port, ":"+listens) {
						t.Errorf("it listens on %s, and %s is published", cfg.Listen, port)
					}
				}
			})
		}
		if found == 0 {
			t.Errorf("%s has no chatkitd", file)
		}
	}
}

// parse reads the settings from the environment as the program does.
func parse(t *testing.T) config.Config {
	t.Helper()
	var cli struct {
		config.Config `embed:""`
		Serve         struct{} `cmd:"" default:"1"`
	}
	parser, err := kong.New(&cli, cli.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	return cli.Config
}

// imageEnvironment returns the environment that the image sets.
func imageEnvironment(t *testing.T) map[string]string {
	t.Helper()
	_, final, _ := strings.Cut(read(t, "../Dockerfile"), "FROM scratch")
	env := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ENV (.+)$`).FindAllStringSubmatch(final, -1) {
		for pair := range strings.FieldsSeq(m[1]) {
			key, value, _ := strings.Cut(pair, "=")
			env[key] = value
		}
	}
	if len(env) == 0 {
		t.Fatal("the image sets no environment")
	}
	return env
}

// TestProxyFitsTheCluster compares the proxy's configuration with what it stands in
// front of.
func TestProxyFitsTheCluster(t *testing.T) {
	cfg, c := read(t, "haproxy.cfg"), load(t, cluster)
	port := strings.TrimPrefix(imageEnvironment(t)["CHATKITD_LISTEN"], "0.0.0.0")
	var want, got []string
	for name, s := range c.Services {
		if s.Build != nil {
			want = append(want, name+port)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+server \S+ (\S+)`).FindAllStringSubmatch(cfg, -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the proxy has the servers %q; there are %q", got, want)
	}
	const heartbeat = 15 * time.Second // of a stream
	for _, side := range []string{"client", "server"} {
		m := regexp.MustCompile(`timeout ` + side + ` (\S+)`).FindStringSubmatch(cfg)
		if m == nil {
			t.Fatalf("no timeout %s", side)
		}
		if d, err := time.ParseDuration(m[1]); err != nil || d < 3*heartbeat {
			t.Errorf("timeout %s is %s, %v: a stream that misses a heartbeat or two is cut", side, m[1], err)
		}
	}
	m := regexp.MustCompile(`hard-stop-after (\S+)`).FindStringSubmatch(cfg)
	stop, err := time.ParseDuration(m[1])
	if grace, err2 := time.ParseDuration(c.Services["proxy"].StopGracePeriod); err != nil || err2 != nil || grace <= stop {
		t.Errorf("the proxy is killed after %s, but may take %s to stop", grace, stop)
	}
}

// TestImageHasAllThatIsBuilt wants every package of the program to be let through
// to the builder, and a builder that is new enough.
func TestImageHasAllThatIsBuilt(t *testing.T) {
	let := strings.Split(read(t, "../.dockerignore"), "\n")
	for _, pkg := range imported(t) {
		top, _, _ := strings.Cut(pkg, "/")
		if !slices.Contains(let, "!"+top) && !slices.Contains(let, "!"+pkg+"/"+pkg+".go") {
			t.Errorf(".dockerignore keeps back the package %s", pkg)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+)\.(\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	builder := regexp.MustCompile(`FROM .*golang:(\d+)\.(\d+)\.`).FindStringSubmatch(read(t, "../Dockerfile"))
	if version == nil || builder == nil || number(t, builder[1:]) < number(t, version[1:]) {
		t.Errorf("the builder is %v, go.mod wants %v", builder, version)
	}
}

func number(t *testing.T, parts []string) int {
	t.Helper()
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return major*1000 + minor
}
