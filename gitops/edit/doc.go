// Package edit changes one scalar of a YAML file and keeps every other byte: comments, order, quoting, indentation,
// line ends, the byte-order mark. The parser only says where the scalar stands; the bytes are spliced, and the result
// is parsed again to prove that nothing else changed. What cannot be proven is a *Refusal, never a guess.
//
// It is pure: bytes and a Path go in, bytes come out. Path is the one language for fields in all of gitops.
package edit
