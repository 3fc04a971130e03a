package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/pipeline/advise/memory"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{Use: "backup FOLDER", Args: one("FOLDER"),
		Short: "Write the ledger, Temporal's databases (CORTEXOPS_TEMPORAL_DB_URLS) and the memory into a folder, while all runs",
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachPlace(cmd, func(ctx context.Context, p place) error {
				if err := os.MkdirAll(args[0], 0o700); err != nil {
					return fmt.Errorf("make the folder of the backup: %w", err)
				}
				to := filepath.Join(args[0], p.name+"-"+time.Now().UTC().Format(dated)+p.ending)
				if err := p.save(ctx, to+".part"); err != nil {
					_ = os.Remove(to + ".part") // the first error is the one to show
					if p.optional && errors.Is(err, fs.ErrNotExist) {
						fmt.Fprintf(cmd.OutOrStdout(), "no %s yet\n", p.name)
						return nil
					}
					return fmt.Errorf("back up %s: %w", p.name, err)
				}
				if err := os.Rename(to+".part", to); err != nil {
					return fmt.Errorf("back up %s: %w", p.name, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "wrote %s\n", to)
				return nil
			})
		}}
}

func restoreCommand() *cobra.Command {
	return &cobra.Command{Use: "restore FOLDER", Args: one("FOLDER"),
		Short: "Put back the newest of each that cortexops backup wrote, with CortexOps and Temporal stopped; then run ledger verify and ledger reconcile",
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachPlace(cmd, func(ctx context.Context, p place) error {
				from, err := p.newest(args[0])
				if p.optional && errors.Is(err, errNone) {
					fmt.Fprintf(cmd.OutOrStdout(), "%v: none is restored\n", err)
					return nil
				}
				if err != nil {
					return err
				}
				if err := p.load(ctx, from); err != nil {
					return fmt.Errorf("restore %s: %w", from, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "restored %s\n", from)
				return nil
			})
		}}
}

// place is one thing to back up, called as the CronJobs in manifests/components/backup call their files.
type place struct {
	name, ending string
	save, load   func(ctx context.Context, file string) error
	optional     bool // it may not be there yet
}

// errNone is returned for a folder without a backup of the place.
var errNone = errors.New("has none of")

// newest of its files in the folder. Of those alone: the files of a database x-2 begin with x-2 too.
func (p place) newest(folder string) (string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	found := ""
	for _, f := range files { // in the order of their names
		date, ours := strings.CutPrefix(f.Name(), p.name+"-")
		date, ends := strings.CutSuffix(date, p.ending)
		if _, err := time.Parse(dated, date); ours && ends && err == nil {
			found = filepath.Join(folder, f.Name())
		}
	}
	if found == "" {
		return "", fmt.Errorf("%s %w %s-DATE%s", folder, errNone, p.name, p.ending)
	}
	return found, nil
}

// apart refuses places whose files would have the same names: one backup would replace the other's, and be restored into both.
func apart(all []place) error {
	seen := map[string]bool{}
	for _, p := range all {
		if seen[p.name+p.ending] {
			return fmt.Errorf("two databases are called %s, on different servers or named twice: back each up into a folder of its own", p.name)
		}
		seen[p.name+p.ending] = true
	}
	return nil
}

const dated = "20060102T150405Z"

// eachPlace goes on where one fails. Temporal comes before the ledger: one that knows more than the workflows is what a crash
// leaves too, and they find their way from there.
func eachPlace(cmd *cobra.Command, f func(ctx context.Context, p place) error) error {
	c, at, err := loadedLedger(cmd)
	if err != nil {
		return err
	}
	var all []place
	for _, each := range append(strings.Fields(os.Getenv("CORTEXOPS_TEMPORAL_DB_URLS")), at) {
		p, err := database(each)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	if c.Memory.QdrantURL == "" {
		p := file("memory", c.memoryFile())
		p.optional = true // the first incident makes it
		all = append(all, p)
	} else {
		key, err := secret(os.Getenv, "CORTEXOPS_QDRANT_API_KEY")
		if err != nil {
			return err
		}
		snapshots, err := memory.NewSnapshots(c.Memory.QdrantURL, key)
		if err != nil {
			return err
		}
		defer snapshots.Close()
		all = append(all, place{name: "qdrant-" + memory.Collection, ending: ".snapshot", save: snapshots.Save, load: snapshots.Load})
	}
	if err := apart(all); err != nil {
		return err
	}
	var errs []error
	for _, p := range all {
		errs = append(errs, f(cmd.Context(), p))
	}
	return errors.Join(errs...)
}

func database(at string) (place, error) {
	if !strings.HasPrefix(at, "postgres") {
		return file("ledger", strings.TrimPrefix(at, "sqlite:")), nil
	}
	c, err := pgconn.ParseConfig(at)
	address, wrong := url.Parse(at)
	if err != nil || wrong != nil { // it quotes the address, which may hold a password
		return place{}, errors.New("one of CORTEXOPS_LEDGER_URL and CORTEXOPS_TEMPORAL_DB_URLS does not look like postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	// All but the password, so that what it says of TLS holds for the programs too.
	address.User = url.User(c.User)
	query := address.Query()
	query.Del("password")
	address.RawQuery = query.Encode()
	run := func(ctx context.Context, program string, args ...string) error {
		path := program
		if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program); len(found) > 0 { // Debian's newest
			path = found[len(found)-1]
		}
		cmd := exec.CommandContext(ctx, path, args...)
		// In the environment, where ps does not show them.
		cmd.Env = append(os.Environ(), "PGPASSWORD="+c.Password)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	return place{name: c.Database, ending: ".dump",
		save: func(ctx context.Context, to string) error {
			return run(ctx, "pg_dump", "--format=custom", "--no-password", "--file="+to, "--dbname="+address.String())
		},
		load: func(ctx context.Context, from string) error {
			return run(ctx, "pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error", "--single-transaction", "--no-password", "--dbname="+address.String(), from)
		}}, nil
}

// file is an SQLite database. It is never replaced: whoever restores moves the old one away.
func file(name, path string) place {
	return place{name: name, ending: ".db",
		save: func(ctx context.Context, to string) error {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // SQLite would make an empty one
				return err
			}
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
			if err != nil {
				return err
			}
			defer db.Close()
			_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
			return err
		},
		load: func(_ context.Context, from string) error {
			for _, old := range []string{path, path + "-wal", path + "-shm"} {
				if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("%s is there: move it away first, with its -wal and -shm", old)
				}
			}
			in, err := os.Open(from)
			if err != nil {
				return err
			}
			defer in.Close()
			out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			_, err = io.Copy(out, in)
			return errors.Join(err, out.Close())
		}}
}
