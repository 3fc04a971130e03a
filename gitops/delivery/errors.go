package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conflict means that somebody else owns a field that would change.
type Conflict struct {
	Ref      Ref
	Managers []string
	Fields   []string
	// Scaled: one of the fields is the replicas, which somebody sets through the scale subresource. Autoscaler is the
	// HorizontalPodAutoscaler that does, where we may look for it, and By who manages that.
	Scaled     bool
	Autoscaler string
	By         string
}

func (e *Conflict) Error() string {
	if e.Scaled {
		who := "an autoscaler"
		if e.Autoscaler != "" {
			who = "HorizontalPodAutoscaler " + e.Autoscaler
			if e.By != "" {
				who += ", which " + e.By + " manages"
			}
		}
		return fmt.Sprintf("%s: %s set by %s, by its subresource scale (%s); we do not take fields from others: change its minReplicas or maxReplicas, or take the replicas out of git",
			e.Ref, strings.Join(e.Fields, ", "), who, strings.Join(e.Managers, ", "))
	}
	return fmt.Sprintf("%s: %s owned by %s; we do not take fields from others: let one of the two manage it", e.Ref,
		strings.Join(e.Fields, ", "), strings.Join(e.Managers, ", "))
}

// Forbidden means that our role lacks a rule. Rule is YAML, an item of a Role's rules, to be added as it stands.
type Forbidden struct {
	Ref  Ref
	User string
	Verb string
	Rule string
}

func (e *Forbidden) Error() string {
	role := "a ClusterRole of " + e.User
	if e.Ref.Namespace != "" {
		role = fmt.Sprintf("a Role of %s in namespace %s", e.User, e.Ref.Namespace)
	}
	return fmt.Sprintf("%s may not %s %s; add this rule to %s:\n%s", e.User, e.Verb, e.Ref, role, e.Rule)
}

// Unauthorized means that the API server does not know who we are.
type Unauthorized struct{ Message string }

func (e *Unauthorized) Error() string {
	return "the API server does not accept the worker's credentials: " + e.Message + "; renew them"
}

// Invalid means that the API server, or an admission webhook, will not take the object as it is.
type Invalid struct {
	Ref     Ref
	Message string
}

func (e *Invalid) Error() string { return fmt.Sprintf("%s is not accepted: %s", e.Ref, e.Message) }

// Stuck means that a rollout will not finish.
type Stuck struct {
	Ref     Ref
	Message string
}

func (e *Stuck) Error() string { return fmt.Sprintf("%s will not become ready: %s", e.Ref, e.Message) }

// final reports whether no retry mends err.
func final(err error) bool {
	var conflict *Conflict
	var forbidden *Forbidden
	var unauthorized *Unauthorized
	var invalid *Invalid
	var stuck *Stuck
	var mismanaged *Mismanaged
	var undelivered *NotDelivered
	return errors.As(err, &mismanaged) || errors.As(err, &undelivered) || errors.As(err, &conflict) || errors.As(err, &forbidden) || errors.As(err, &unauthorized) || errors.As(err, &invalid) || errors.As(err, &stuck)
}

// typed turns the API server's answer into one of ours, but for a missing permission. What is none of them stays as it
// is and may be retried: among it the 500 without a reason, which the server gives for a field that the schema does not
// have and for a lost etcd alike.
func typed(err error, r Ref, verb string) error {
	switch {
	case apierrors.IsUnauthorized(err):
		return &Unauthorized{Message: err.Error()}
	case apierrors.IsConflict(err):
		if c := conflict(err, r); len(c.Fields) > 0 {
			return c
		}
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsNotFound(err), apierrors.IsForbidden(err),
		apierrors.IsMethodNotSupported(err), apierrors.IsRequestEntityTooLargeError(err):
		return &Invalid{Ref: r, Message: err.Error()}
	}
	return fmt.Errorf("%s %s: %w", verb, r, err)
}

func conflict(err error, r Ref) *Conflict {
	c := &Conflict{Ref: r}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return c
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		c.Fields = append(c.Fields, strings.TrimPrefix(cause.Field, "."))
		c.Scaled = c.Scaled || strings.Contains(cause.Message, ` with subresource "scale"`)
		if m := managerOf(cause.Message); !slices.Contains(c.Managers, m) {
			c.Managers = append(c.Managers, m)
		}
	}
	return c
}

// managerOf is the name in `conflict with "NAME" using apps/v1`: the cause carries it nowhere else.
func managerOf(message string) string {
	if i := strings.IndexByte(message, '"'); i >= 0 {
		if quoted, err := strconv.QuotedPrefix(message[i:]); err == nil {
			if name, err := strconv.Unquote(quoted); err == nil {
				return name
			}
		}
	}
	return message
}
