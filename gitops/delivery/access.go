package delivery

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// whoAmI is our name, as the API server sees it; asked once.
func (d *Direct) whoAmI(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user != "" {
		return d.user, nil
	}
	r, err := d.kube.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", typed(err, Ref{Kind: "SelfSubjectReview"}, "create")
	}
	d.user = r.Status.UserInfo.Username
	return d.user, nil
}

// explain is typed, and for a 403 asks the API server which permission is missing: a 403 may also be the word of an
// admission webhook, and an apply needs create too where the object is not there yet.
func (d *Direct) explain(ctx context.Context, err error, t target, verb string) error {
	if !apierrors.IsForbidden(err) {
		return typed(err, t.ref, verb)
	}
	verbs := []string{verb}
	if verb == "patch" {
		if _, getErr := t.resource.Get(ctx, t.ref.Name, metav1.GetOptions{}); apierrors.IsNotFound(getErr) {
			verbs = append(verbs, "create")
		}
	}
	for _, verb := range verbs {
		name := t.ref.Name
		if verb == "create" {
			name = "" // RBAC cannot hold a creation to a name
		}
		review, reviewErr := d.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb,
				Group: t.gvr.Group, Version: t.gvr.Version, Resource: t.gvr.Resource, Namespace: t.ref.Namespace, Name: name}}}, metav1.CreateOptions{})
		if reviewErr != nil {
			return typed(reviewErr, t.ref, "review access to")
		}
		if review.Status.Allowed {
			continue
		}
		user, userErr := d.whoAmI(ctx)
		if userErr != nil {
			return userErr
		}
		return &Forbidden{Ref: t.ref, User: user, Verb: verb, Rule: rule(t, verb, name)}
	}
	return typed(err, t.ref, verb)
}

func rule(t target, verb, name string) string {
	s := fmt.Sprintf("- apiGroups: [%q]\n  resources: [%q]\n", t.gvr.Group, t.gvr.Resource)
	if name != "" {
		s += fmt.Sprintf("  resourceNames: [%q]\n", name)
	}
	return s + fmt.Sprintf("  verbs: [%q]\n", verb)
}
