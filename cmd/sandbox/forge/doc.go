// Package forge stands in for GitHub: the part of its REST API that a product
// like ours needs, signed webhooks and a small page for people, over a real
// bare repository that a stock git client clones from and pushes to.
//
// It never invents an answer: a call that it does not have is GitHub's 404. It
// keeps its state in files below Options.Dir, so that a restart loses nothing.
package forge
