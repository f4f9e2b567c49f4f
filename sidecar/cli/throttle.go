package cli

import (
	"fmt"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

type throttleCommand struct {
	Status  throttleStatusCommand  `cmd:"" default:"withargs" help:"Say whether the inputs of this host are held back, and why."`
	Hold    throttleHoldCommand    `cmd:"" help:"Stop the inputs of this host, or let them take less."`
	Release throttleReleaseCommand `cmd:"" help:"End a hold."`
}

func (throttleCommand) Help() string {
	return `Inputs follow two orders, and the stricter one counts: the sidecar's, which watches the cluster and ends by
itself, and yours, which nothing but you or its --for ends. What an input does not take stays in its queue.

Examples:

  $ fluent-siem throttle hold --state-dir state --reason 'new disks' --for 2h
  $ fluent-siem throttle status --state-dir state
  $ fluent-siem throttle release --state-dir state`
}

type throttleStatusCommand struct {
	ledgerPlace
}

// Run prints both orders and which counts. Exit code 1: an order cannot be read.
func (c throttleStatusCommand) Run(t Terminal) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	automatic, err := throttle.Read(dir, throttle.Automatic)
	if err != nil {
		return err
	}
	manual, err := throttle.Read(dir, throttle.Manual)
	if err != nil {
		return err
	}
	now := time.Now()
	rows := [][]string{{"", "the inputs are", "since", "until"}}
	for _, o := range []struct {
		who string
		throttle.Order
	}{{"you", manual}, {"sidecar", automatic}} {
		if o.Free(now) {
			o.Order = throttle.Order{}
		}
		rows = append(rows, []string{o.who, o.String(), instant(o.Since), instant(o.Expires)})
	}
	if err := writeRows(t.Out, rows, false, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Out, "So the inputs are %v.\n", throttle.Stricter(manual, automatic, now))
	return err
}

// instant writes a time, - for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

type throttleHoldCommand struct {
	ledgerPlace
	Reason string        `required:"" placeholder:"TEXT" help:"Why, for whoever looks."`
	Share  float64       `placeholder:"PART" help:"Take that part of the usual rate, such as 0.5, instead of nothing."`
	For    time.Duration `placeholder:"TIME" help:"End after that time, such as 90m. Default: hold until released."`
}

// Run writes the hold.
func (c throttleHoldCommand) Run(t Terminal) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	o := throttle.Order{Stop: c.Share == 0, Share: c.Share, Reason: c.Reason, Since: time.Now().UTC().Truncate(time.Second)}
	if err := o.Validate(); err != nil || c.For < 0 {
		return usageError{fmt.Errorf("--share must be more than 0 and less than 1, and --for not negative")}
	}
	if c.For > 0 {
		o.Expires = o.Since.Add(c.For)
	}
	if err := throttle.Write(dir, throttle.Manual, o); err != nil {
		return fmt.Errorf("the hold is not in force: %w", err)
	}
	_, err = fmt.Fprintf(t.Out, "From the next second on the inputs with state_dir %s are %v.\n", dir, o)
	return err
}

type throttleReleaseCommand struct {
	ledgerPlace
}

// Run ends the hold. That there is none is fine.
func (c throttleReleaseCommand) Run(t Terminal) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	if err := throttle.Write(dir, throttle.Manual, throttle.Order{}); err != nil {
		return fmt.Errorf("the hold stays in force: %w", err)
	}
	automatic, err := throttle.Read(dir, throttle.Automatic)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Out, "Your hold has ended. The inputs are %v.\n", throttle.Stricter(throttle.Order{}, automatic, time.Now()))
	return err
}
