package golden

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

const pageHead = `# Differences from the original

Made from the tables in test/golden by ` + "`UPDATE=1 go test ./test/golden -run TestDifferencesPage`" + `; do not edit.

The documents are those that [SIEM on Amazon OpenSearch Service](https://github.com/aws-samples/siem-on-amazon-opensearch-service)
v2.10.4 makes of the same objects, field by field, except for what stands here. A test compares them; any other
difference fails it. A field is a regular expression for its whole path.

`

// TestDifferencesPage keeps conf/differences.md true; with UPDATE=1 it writes it.
func TestDifferencesPage(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(pageHead)
	writeDifferences(&b, len(table), func(i int) (types, field, reason string) {
		return table[i].types, table[i].field, table[i].reason
	})
	b.WriteString("\n## From Filebeat\n\nWhat the documents have otherwise than Filebeat's of the same lines, where both have the field.\n\n")
	writeDifferences(&b, len(beatsDifferences), func(i int) (types, field, reason string) {
		return beatsDifferences[i].types, beatsDifferences[i].field, beatsDifferences[i].reason
	})
	settingstest.CheckFile(t, "../../conf/differences.md", b.String(), "the tables of this package say")
}

// writeDifferences writes a line for each row.
func writeDifferences(b *bytes.Buffer, n int, row func(int) (types, field, reason string)) {
	b.WriteString("| log types | fields | what is different |\n|---|---|---|\n")
	for i := range n {
		types, field, reason := row(i)
		switch types {
		case "*":
			types = "all"
		case ofUserINI:
		default:
			types = strings.ReplaceAll(types, " ", ", ")
		}
		field = "`" + strings.ReplaceAll(field, "|", `\|`) + "`"
		if field == "`.*`" {
			field = "any"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", types, field, strings.ReplaceAll(reason, "|", `\|`))
	}
}

// Every reason says something, for it is the page's text.
func TestEveryDifferenceHasAReason(t *testing.T) {
	for _, row := range table {
		if len(row.reason) < 15 || strings.Contains(row.reason, "\n") {
			t.Errorf("%s %s: the reason %q is none", row.types, row.field, row.reason)
		}
	}
	for _, row := range beatsDifferences {
		if len(row.reason) < 15 || strings.Contains(row.reason, "\n") {
			t.Errorf("%s %s: the reason %q is none", row.types, row.field, row.reason)
		}
	}
}
