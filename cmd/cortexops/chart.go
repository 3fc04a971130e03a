package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/cortexops/cortexops/gitops/helm"
)

const renderChart = "render-chart"

// renderChartCommand is what chartRenderer starts: people have no use for it.
func renderChartCommand() *cobra.Command {
	return &cobra.Command{
		Use: renderChart, Hidden: true, Args: cobra.NoArgs, Short: "Render the Helm charts that come in on the standard input",
		RunE: func(cmd *cobra.Command, _ []string) error { return helm.Serve(cmd.InOrStdin(), cmd.OutOrStdout()) },
	}
}

// chartRenderer renders charts in a process of its own, which is this program again. Close it.
func chartRenderer() (*helm.Renderer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start it for Helm charts: %w", err)
	}
	return &helm.Renderer{Command: []string{self, renderChart}}, nil
}
