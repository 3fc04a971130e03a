package deployer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"
)

// reloadTimeout bounds one reload of Prometheus.
const reloadTimeout = 5 * time.Second

// errReload is a reload that Prometheus refused: a rule file is wrong.
var errReload = errors.New("prometheus refused the alert rules")

// writeRules makes the folder hold exactly the revision's rule files, and reports whether it had to change anything.
func writeRules(dir string, files Files) (changed bool, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("make the folder of alert rules: %w", err)
	}
	want := map[string][]byte{}
	for name, b := range files {
		if ok, _ := path.Match(rulesPattern, name); ok {
			want[path.Base(name)] = b
		}
	}
	have, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return false, fmt.Errorf("list the alert rules: %w", err)
	}
	for _, file := range have {
		if want[filepath.Base(file)] == nil {
			changed = true
			if err := os.Remove(file); err != nil {
				return changed, fmt.Errorf("remove an alert rule file: %w", err)
			}
		}
	}
	for name, b := range want {
		file := filepath.Join(dir, name)
		if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, b) {
			continue
		}
		changed = true
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return changed, fmt.Errorf("write an alert rule file: %w", err)
		}
	}
	return changed, nil
}

// reload makes Prometheus read its rules again.
func reload(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/-/reload", nil)
	if err != nil {
		return fmt.Errorf("reload prometheus: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reload prometheus: %w", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s: %s", errReload, resp.Status, bytes.TrimSpace(said))
	}
	return nil
}
