package corpus

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRecordsAreFoundByTheirNumber(t *testing.T) {
	for _, typ := range Types {
		text := string(typ.Text(1000, 20))
		records := strings.Split(strings.TrimSpace(strings.TrimPrefix(text, typ.header)), "\n")
		if typ.Name == "cloudtrail" {
			var file struct{ Records []json.RawMessage }
			if err := json.Unmarshal([]byte(text), &file); err != nil {
				t.Fatal(err)
			}
			records = records[:0]
			for _, r := range file.Records {
				records = append(records, string(r))
			}
		}
		if len(records) != 20 {
			t.Fatalf("%s: %d records", typ.Name, len(records))
		}
		for i, r := range records {
			if n, ok := typ.Number(r); n != 1000+i || !ok {
				t.Errorf("%s: record %d has number %d (%v): %s", typ.Name, 1000+i, n, ok, r)
			}
		}
	}
}

func TestSamplesOfEveryType(t *testing.T) {
	objects, err := Samples("../samples", 0)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]int{}
	for _, o := range objects {
		records[o.Type] += o.Records
	}
	if records["cloudtrail"] != 132+13+149 || records["alb"] != 63 || records["vpcflowlogs"] != 6+2 {
		t.Errorf("records: %v", records)
	}
}
