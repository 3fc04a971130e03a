// Package edit changes one field of a YAML file and keeps every other byte: comments, order, quoting, indentation, line
// ends, the byte-order mark. The parser only says where things stand; the bytes are spliced, and the result is parsed
// again to prove that nothing else changed. What cannot be proven is a *Refusal, never a guess.
//
// Set and Add change one scalar, Remove takes a key or an element away, Patch and JSON6902 are taken apart into such
// point edits, and the rest (Replicas, Bounds, SetEnv, Annotate, Suspend) says which field it is.
//
// It is pure: bytes and a Path go in, bytes come out. Path is the one language for fields in all of gitops.
package edit
