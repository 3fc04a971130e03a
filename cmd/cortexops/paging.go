package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
	"github.com/cortexops/cortexops/pipeline/notify"
	"github.com/cortexops/cortexops/pipeline/remediation"
	"github.com/cortexops/cortexops/pipeline/writeup"
)

// pager is nil where nobody is called.
func (c Config) pager() (*notify.PagerDuty, error) {
	if c.secrets.pagerDutyKey == "" {
		return nil, nil
	}
	p, err := notify.NewPagerDuty(notify.PagerDutyOptions{Key: c.secrets.pagerDutyKey, API: c.PagerDuty.API})
	if err != nil {
		return nil, fmt.Errorf("CORTEXOPS_PAGERDUTY_KEY, pagerduty.api: %w", err)
	}
	return p, nil
}

// paging is nil where nobody is called.
func (c Config) paging(book *ledger.Ledger, pager *notify.PagerDuty) *remediation.Paging {
	if pager == nil {
		return nil
	}
	return &remediation.Paging{Book: book, Pager: pager, Entries: book.Entries, Words: writeup.Writer{}.Page, Workflow: c.workflowPage}
}

// workflowPage is the address of a workflow in Temporal's web UI, empty where that is not known.
func (c Config) workflowPage(key incident.Key) string {
	if c.Temporal.UI == "" {
		return ""
	}
	return strings.TrimSuffix(c.Temporal.UI, "/") + "/namespaces/" + url.PathEscape(c.Temporal.Namespace) + "/workflows/" + url.PathEscape(key.Workflow())
}
