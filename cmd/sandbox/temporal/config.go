package temporal

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cortexops/cortexops/cmd/sandbox/stack"
)

const (
	loopback  = "127.0.0.1"
	cell      = "active" // the name of the only cluster
	retention = 90 * 24 * time.Hour
)

// attributes are what CortexOps lists its workflows by.
var attributes = []string{"CortexOpsPhase", "CortexOpsIncident", "CortexOpsTarget", "CortexOpsPlaybook"}

// services in the order of their ports: Port, Port+1, …; membership follows.
var services = []primitives.ServiceName{
	primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
}

// stores are where the state is, and what finds it by its search attributes.
type stores struct{ main, visibility *config.SQL }

// opened are the databases of the server, made where they are not.
func opened(s *stack.Stack) (stores, error) {
	if s.Temporal.Postgres != "" {
		return onPostgres(s.Temporal.Postgres, s.Temporal.Namespace)
	}
	dir := s.Data("temporal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return stores{}, fmt.Errorf("make temporal's data folder: %w", err)
	}
	db := database(dir)
	return stores{db, db}, create(db, s.Temporal.Namespace)
}

func database(dir string) *config.SQL {
	// The plugin hands unknown keys on as pragmas under their bare names.
	// MaxConns stays unset (one connection): more of them meet SQLITE_BUSY.
	return &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: filepath.Join(dir, "temporal.db"),
		ConnectAttributes: map[string]string{
			"mode": "rwc", "journal_mode": "wal", "synchronous": "normal", "busy_timeout": "5000",
		},
	}
}

// create makes the database with its namespace unless it exists. A mark beside it
// says that it is whole: what a start cut short has left is made anew.
func create(db *config.SQL, namespace string) error {
	mark := db.DatabaseName + ".whole"
	if _, err := os.Stat(mark); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for temporal's database: %w", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.RemoveAll(db.DatabaseName + suffix); err != nil {
			return fmt.Errorf("clear temporal's unfinished database: %w", err)
		}
	}
	if err := sqlite.SetupSchema(db); err != nil {
		return fmt.Errorf("create temporal's database: %w", err)
	}
	if err := register(db, namespace); err != nil {
		return err
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return fmt.Errorf("create temporal's database: %w", err)
	}
	return nil
}

// register makes the namespace with its search attributes, unless it is there.
func register(db *config.SQL, namespace string) error {
	types := map[string]enumspb.IndexedValueType{}
	for _, a := range attributes {
		types[a] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	ns, err := sqlite.NewNamespaceConfig(cell, namespace, false, types)
	if err != nil {
		return fmt.Errorf("describe temporal's namespace: %w", err)
	}
	ns.Detail.Config.Retention = durationpb.New(retention)
	if err := sqlite.CreateNamespaces(db, ns); err != nil {
		return fmt.Errorf("create temporal's namespace: %w", err)
	}
	return nil
}

func configuration(db stores, port int) *config.Config {
	frontend := hostPort(port)
	cfg := &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}},
		Persistence: config.Persistence{
			DefaultStore: "default", VisibilityStore: "visibility", NumHistoryShards: 1,
			DataStores: map[string]config.DataStore{"default": {SQL: db.main}, "visibility": {SQL: db.visibility}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: cell, CurrentClusterName: cell,
			ClusterInformation: map[string]cluster.ClusterInformation{
				cell: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            map[string]config.Service{},
		Archival: config.Archival{
			History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: frontend},
	}
	for i, name := range services {
		cfg.Services[string(name)] = config.Service{RPC: config.RPC{
			GRPCPort: port + i, MembershipPort: port + len(services) + i, BindOnIP: loopback,
		}}
	}
	return cfg
}

func hosts(port int) map[primitives.ServiceName]static.Hosts {
	h := map[primitives.ServiceName]static.Hosts{}
	for i, name := range services {
		h[name] = static.SingleLocalHost(hostPort(port + i))
	}
	return h
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
