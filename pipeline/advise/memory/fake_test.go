package memory

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// server is Qdrant's wire with as much behind it as we use: one collection of sparse vectors, their products, and a key.
type server struct {
	key string

	mu     sync.Mutex
	made   bool
	hang   bool
	stored map[uint64]*qdrant.PointStruct
}

type points struct {
	qdrant.UnimplementedPointsServer
	*server
}

type collections struct {
	qdrant.UnimplementedCollectionsServer
	*server
}

// fake serves one, and returns its address.
func fake(t *testing.T, key string) (*server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{key: key, stored: map[uint64]*qdrant.PointStruct{}}
	g := grpc.NewServer(grpc.UnaryInterceptor(s.keyed))
	qdrant.RegisterPointsServer(g, points{server: s})
	qdrant.RegisterCollectionsServer(g, collections{server: s})
	go func() { _ = g.Serve(l) }() // until Stop
	t.Cleanup(g.Stop)
	return s, "http://" + l.Addr().String()
}

func (s *server) keyed(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if strings.Join(md.Get("api-key"), "") != s.key {
		return nil, status.Error(codes.Unauthenticated, "Must provide an API key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return next(ctx, req)
}

func (s collections) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	return &qdrant.ListCollectionsResponse{}, nil
}

func (s collections) Create(_ context.Context, in *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	if s.made {
		return nil, status.Error(codes.AlreadyExists, "Collection already exists")
	}
	if in.GetSparseVectorsConfig().GetMap()[sparse] == nil {
		return nil, status.Error(codes.InvalidArgument, "no sparse vector")
	}
	s.made = true
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

func (s points) Upsert(_ context.Context, in *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	if !s.made {
		return nil, status.Error(codes.NotFound, "Collection doesn't exist")
	}
	for _, p := range in.GetPoints() {
		s.stored[p.GetId().GetNum()] = p
	}
	return &qdrant.PointsOperationResponse{}, nil
}

func (s points) Query(_ context.Context, in *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	if !s.made {
		return nil, status.Error(codes.NotFound, "Collection doesn't exist")
	}
	asked := in.GetQuery().GetNearest().GetSparse()
	var out []*qdrant.ScoredPoint
	for _, p := range s.stored {
		v := p.GetVectors().GetVectors().GetVectors()[in.GetUsing()].GetSparse()
		var score float32
		for n, i := range v.GetIndices() {
			if at, ok := slices.BinarySearch(asked.GetIndices(), i); ok {
				score += v.GetValues()[n] * asked.GetValues()[at]
			}
		}
		if score > 0 {
			out = append(out, &qdrant.ScoredPoint{Id: p.GetId(), Payload: p.GetPayload(), Score: score})
		}
	}
	slices.SortFunc(out, func(a, b *qdrant.ScoredPoint) int { return cmp.Compare(b.GetScore(), a.GetScore()) })
	return &qdrant.QueryResponse{Result: out[:min(len(out), int(in.GetLimit()))]}, nil
}
