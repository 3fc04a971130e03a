// Package locate answers which line of which file sets one field of one rendered object, and proves it: the scalar is
// changed in memory, the overlay is rendered again, and the change must land in that field and nowhere else.
//
// Rendering is kustomize over a snapshot held in memory. It never reaches the network, runs no program and reads no
// disk: whatever would is refused before kustomize sees it. Every refusal is a *Refusal with a Reason.
package locate

// Files is a snapshot of a repository. Paths are relative to its root, with slashes, and clean. ReadFile fails with
// fs.ErrNotExist where there is no such file. List gives every file's path below dir.
type Files interface {
	ReadFile(path string) ([]byte, error)
	List(dir string) ([]string, error)
}

// Reason classifies a Refusal.
type Reason string

const (
	NotFound    Reason = "notFound"    // no overlay renders the object, or it does not have the field
	Ambiguous   Reason = "ambiguous"   // more than one place answers
	Generated   Reason = "generated"   // the value is made by a transformer, a JSON patch or an inline patch
	Encrypted   Reason = "encrypted"   // the file is encrypted: any edit breaks it
	Uneditable  Reason = "uneditable"  // an alias, a template, a block scalar, …
	Shared      Reason = "shared"      // an edit there changes more than the field
	Unproven    Reason = "unproven"    // the edit does not render to what was asked for
	Remote      Reason = "remote"      // a kustomization reads from outside the repository
	Unsupported Reason = "unsupported" // a kustomization needs a plugin, a Helm chart or a schema of its own
	Invalid     Reason = "invalid"     // the files do not render
)

// Refusal says why there is no answer.
type Refusal struct {
	Reason Reason
	Why    string
	Err    error // what it rests on, or nil
}

func (e *Refusal) Error() string { return e.Why }

func (e *Refusal) Unwrap() error { return e.Err }
