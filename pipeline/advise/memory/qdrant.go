package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Collection is where the cases are in Qdrant, each with one sparse vector and itself as JSON.
const (
	Collection = "cortexops_incidents"
	sparse     = "words"
	body       = "case"
)

// Qdrant is the store that several replicas share.
type Qdrant struct{ client *qdrant.Client }

// NewQdrant calls nothing. at is the gRPC address, such as http://qdrant:6334; https is TLS.
func NewQdrant(at, key string) (*Qdrant, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("the address of Qdrant must look like http://qdrant:6334, without a user or a key: that one is CORTEXOPS_QDRANT_API_KEY")
	}
	port := 6334
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("the port of Qdrant: %w", err)
		}
	}
	client, err := qdrant.NewClient(&qdrant.Config{Host: u.Hostname(), Port: port, APIKey: key, UseTLS: u.Scheme == "https",
		SkipCompatibilityCheck: true}) // it would ask the server before we start
	if err != nil {
		return nil, fmt.Errorf("connect to Qdrant at %s: %w", u.Host, err)
	}
	return &Qdrant{client}, nil
}

// Put keeps a case, and makes the collection where there is none.
func (q *Qdrant) Put(ctx context.Context, c Case) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("describe a case: %w", err)
	}
	indices, values := vector(c.Words)
	point := &qdrant.UpsertPoints{CollectionName: Collection, Wait: qdrant.PtrOf(true), Points: []*qdrant.PointStruct{{
		Id:      qdrant.NewIDNum(c.id()),
		Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{sparse: qdrant.NewVectorSparse(indices, values)}),
		Payload: map[string]*qdrant.Value{body: qdrant.NewValueString(string(data))}}}}
	_, err = q.client.Upsert(ctx, point)
	if status.Code(err) == codes.NotFound {
		err = q.client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: Collection,
			SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{sparse: {}})})
		if err == nil || status.Code(err) == codes.AlreadyExists { // another replica made it
			_, err = q.client.Upsert(ctx, point)
		}
	}
	if err != nil {
		return fmt.Errorf("remember in Qdrant: %w", err)
	}
	return nil
}

// Near lists the most alike. Both vectors are of length 1, so their product is the cosine.
func (q *Qdrant) Near(ctx context.Context, words []string, k int) ([]Found, error) {
	indices, values := vector(words)
	if len(indices) == 0 {
		return nil, nil
	}
	points, err := q.client.Query(ctx, &qdrant.QueryPoints{CollectionName: Collection, Query: qdrant.NewQuerySparse(indices, values),
		Using: qdrant.PtrOf(sparse), Limit: qdrant.PtrOf(uint64(k)), WithPayload: qdrant.NewWithPayload(true)})
	if status.Code(err) == codes.NotFound { // nothing was remembered yet
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recall from Qdrant: %w", err)
	}
	var all []Found
	for _, p := range points {
		f := Found{Score: min(float64(p.GetScore()), 1)}
		if err := json.Unmarshal([]byte(p.GetPayload()[body].GetStringValue()), &f.Case); err != nil {
			return nil, fmt.Errorf("read a remembered case: %w", err)
		}
		all = append(all, f)
	}
	return all, nil
}

// Ping tells whether the server answers and takes the key.
func (q *Qdrant) Ping(ctx context.Context) error {
	if _, err := q.client.ListCollections(ctx); err != nil {
		return fmt.Errorf("memory in Qdrant: %w", err)
	}
	return nil
}

// Close closes the connections.
func (q *Qdrant) Close() error { return q.client.Close() }
