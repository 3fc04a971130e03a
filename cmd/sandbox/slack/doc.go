// Package slack stands in for Slack: the few methods of its Web API that a
// product like ours calls, interactions signed as Slack signs them, or sent over
// a websocket while the app holds one (Socket Mode), and a page on which a person
// reads the channel and clicks.
//
// It never invents an answer: a method that it does not have is Slack's
// unknown_method, and blocks that Slack would refuse are refused. It keeps its
// state in one file below Options.Dir, so that a restart loses nothing.
package slack
