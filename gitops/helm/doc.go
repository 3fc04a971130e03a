// Package helm renders Helm charts whose files are at hand. Templates are programs that other people wrote, and the
// engine cannot stop one that loops: each rendering runs in a process of its own, which is killed when it takes too long
// and ends when it takes too much memory. It gets no environment, reads no disk, and reaches no network and no cluster.
package helm
