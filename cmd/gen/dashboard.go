package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// source is the variable of the dashboard by which it finds Prometheus.
const source = "datasource"

// query is one line of a panel: PromQL and what to call its series.
type query struct{ legend, expr string }

// graph is one panel over time.
type graph struct {
	title, unit, about string
	queries            []query
}

// row is a heading and its graphs, at most three.
type row struct {
	title  string
	graphs []graph
}

// Counters are shown as increases over a window, since most happen a few times a day: a rate would read 0.0002.
var rows = []row{
	{"From Event to Incident", []graph{
		{"Correlation Latency", "s", "From the acceptance of an incident's first signal to the stored, sealed incident. The settle window is part of it.", []query{
			{"p50", quantile("0.5", "", "cortexops_correlation_latency_seconds")},
			{"p95", quantile("0.95", "", "cortexops_correlation_latency_seconds")},
			{"p99", quantile("0.99", "", "cortexops_correlation_latency_seconds")},
		}},
		{"Events Ingested", "short", "Signals and actions accepted and stored, by source; repeated ones apart.", []query{
			{"{{source}}", `sum by (source) (increase(cortexops_events_ingested_total[$__rate_interval]))`},
			{"{{source}}, repeated", `sum by (source) (increase(cortexops_events_duplicate_total[$__rate_interval]))`},
		}},
		{"Events Rejected", "short", "Webhook requests that were not taken. unavailable: NATS did not store them, the sender tries again.", []query{
			{"{{source}}: {{reason}}", `sum by (source, reason) (increase(cortexops_events_rejected_total[$__rate_interval])) > 0`},
		}},
		{"Incidents", "short", "Incidents that came into a state, in the last hour.", []query{
			{"{{state}}", `sum by (state) (increase(cortexops_incidents_total[1h]))`},
		}},
		{"Signals Correlated", "short", "New or duplicate to their partition, and of the new ones those that came too late to be put where they belong.", []query{
			{"{{outcome}}", `sum by (outcome) (increase(cortexops_signals_correlated_total[$__rate_interval]))`},
		}},
	}},
	{"Remediations", []graph{
		{"Workflow Success Rates", "percentunit", "Of the remediations that proposed a change and ended in the last 24 hours, those that SUCCEEDED.", []query{
			{"{{playbook}}", successes("by (playbook) ")},
			{"all", successes("")},
		}},
		{"Open Remediations by Phase", "short", "How many are in each phase now.", []query{
			{"{{phase}}", `max by (phase) (cortexops_remediations_open)`},
		}},
		{"Oldest Remediation by Phase", "s", "How long the oldest has been in its phase. APPROVAL_PENDING waits for a person, HOLDs for a permission.", []query{
			{"{{phase}}", `max by (phase) (cortexops_remediation_oldest_seconds)`},
		}},
		{"Remediations Ended", "short", "By ending, in the last 24 hours.", []query{
			{"{{phase}}", `sum by (phase) (increase(cortexops_remediations_total[24h]))`},
		}},
		{"Approvals", "short", "How people decided, in the last 24 hours.", []query{
			{"{{state}}", `sum by (state) (increase(cortexops_approvals_total[24h]))`},
		}},
		{"Verdicts", "short", "What Prometheus said of the changes that were applied, in the last 24 hours.", []query{
			{"{{result}}", `sum by (result) (increase(cortexops_verdicts_total[24h]))`},
		}},
	}},
	{"Bus", []graph{
		{"Bus Pending", "short", "Messages not yet handled, by stream.", []query{
			{"{{stream}}", `max by (stream) (cortexops_bus_pending)`},
		}},
		{"Bus Publish Latency", "s", "From the publish to JetStream's acknowledgement.", []query{
			{"{{stream}} p50", quantile("0.5", "stream", "cortexops_bus_publish_seconds")},
			{"{{stream}} p99", quantile("0.99", "stream", "cortexops_bus_publish_seconds")},
		}},
		{"Events Dropped", "short", "Signals that the full stream let go of before they were handled, messages that cannot be decoded, and messages handed back.", []query{
			{"dropped", `sum(increase(cortexops_events_dropped_total[$__rate_interval]))`},
			{"{{stream}} given up", `sum by (stream) (increase(cortexops_bus_terminated_total[$__rate_interval]))`},
			{"{{stream}} handed back", `sum by (stream) (increase(cortexops_bus_retried_total[$__rate_interval]))`},
		}},
	}},
	{"Language Model", []graph{
		{"LLM Token Usage", "short", "Tokens that the model's server says it used, in the last hour.", []query{
			{"{{model}} {{kind}}", `sum by (model, kind) (increase(cortexops_llm_tokens_total[1h]))`},
		}},
		{"LLM Requests", "short", "How questions to the model ended, in the last hour. All but ok were answered by heuristics.", []query{
			{"{{result}}", `sum by (result) (increase(cortexops_llm_requests_total[1h]))`},
		}},
		{"LLM Latency", "s", "From the question to the answer, or to giving it up.", []query{
			{"p50", quantile("0.5", "", "cortexops_llm_seconds")},
			{"p99", quantile("0.99", "", "cortexops_llm_seconds")},
		}},
	}},
}

// components is the first panel.
var components = query{"{{component}}", `min by (component) (cortexops_component_up)`}

func quantile(q, by, histogram string) string {
	if by != "" {
		by = ", " + by
	}
	return fmt.Sprintf("histogram_quantile(%s, sum by (le%s) (rate(%s_bucket[$__rate_interval])))", q, by, histogram)
}

// successes leaves out what never proposed anything: there was nothing to succeed.
func successes(by string) string {
	return fmt.Sprintf(`sum %[1]s(increase(cortexops_remediations_total{phase="SUCCEEDED"}[24h])) / sum %[1]s(increase(cortexops_remediations_total{phase!~"ADVISED|DENIED|SUPERSEDED"}[24h]))`, by)
}

func dashboardJSON() ([]byte, error) {
	//nolint:staticcheck // the second schema is for the API of new Grafanas; files and sidecars take this one in all of them
	b := dashboard.NewDashboardBuilder("CortexOps").Uid("cortexops").Tags([]string{"cortexops"}).
		Description("From telemetry to remediation pull requests. Generated by cmd/gen: change it there.").
		Readonly().Refresh("30s").Time("now-6h", "now").Timezone(common.TimeZoneBrowser).Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder(source).Label("Prometheus").Type("prometheus"))
	id := uint32(1)
	b.WithRow(dashboard.NewRowBuilder("Health").Id(id))
	id++
	b.WithPanel(componentsPanel(id))
	for _, r := range rows {
		id++
		b.WithRow(dashboard.NewRowBuilder(r.title).Id(id))
		for _, g := range r.graphs {
			id++
			b.WithPanel(g.panel(id))
		}
	}
	d, err := b.Build()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(d)
	return out.Bytes(), err
}

func (g graph) panel(id uint32) cog.Builder[dashboard.Panel] {
	p := timeseries.NewPanelBuilder().Id(id).Title(g.title).Description(g.about).Unit(g.unit).Min(0).Span(8).Height(8).Datasource(fromSource()).
		LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if g.unit == "percentunit" {
		p.Max(1)
	}
	for i, q := range g.queries {
		p.WithTarget(q.target(i))
	}
	return p
}

func componentsPanel(id uint32) cog.Builder[dashboard.Panel] {
	up := 1.0
	return stat.NewPanelBuilder().Id(id).Title("Components").Description("Whether what CortexOps needs answers it.").
		Span(24).Height(4).Datasource(fromSource()).ColorMode(common.BigValueColorModeBackground).GraphMode(common.BigValueGraphModeNone).
		TextMode(common.BigValueTextModeValueAndName).Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Mappings([]dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: map[string]dashboard.ValueMappingResult{
			"0": {Text: cog.ToPtr("down")}, "1": {Text: cog.ToPtr("up")},
		}}}}).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
			Steps([]dashboard.Threshold{{Color: "red"}, {Color: "green", Value: &up}})).
		WithTarget(components.target(0))
}

func (q query) target(i int) cog.Builder[variants.Dataquery] {
	return prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Expr(q.expr).LegendFormat(q.legend).Range().Datasource(fromSource())
}

func fromSource() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${" + source + "}")}
}
