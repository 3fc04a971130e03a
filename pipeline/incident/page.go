package incident

// Page is what a person is called with. It is plain text.
type Page struct {
	Incident  string            `json:"incident"` // its ID: called again, it is the same call
	Summary   string            `json:"summary"`
	Severity  string            `json:"severity"`  // critical | error | warning | info
	Source    string            `json:"source"`    // cluster
	Component string            `json:"component"` // the object that it is about
	Group     string            `json:"group,omitempty"`
	Class     string            `json:"class"` // the ending
	Details   map[string]string `json:"details,omitempty"`
	Links     []Link            `json:"links,omitempty"`
}

// Link is one that a Page shows.
type Link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}
