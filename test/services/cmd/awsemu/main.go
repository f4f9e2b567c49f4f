// Command awsemu runs the S3 and SQS emulator of package awsemu as a process
// of its own, for demos and for pipelines tried by hand.
//
// It makes one bucket and one queue that hears of each object put into it,
// prints their addresses as lines for a shell, and runs until it is stopped.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "awsemu:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("awsemu", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "`address` to listen on")
	bucket := flags.String("bucket", "logs", "`name` of the bucket to make")
	queue := flags.String("queue", "siem-logs", "`name` of the queue to make")
	if err := flags.Parse(args); err != nil {
		return err
	}
	srv, err := awsemu.Start(awsemu.Config{Listen: *listen})
	if err != nil {
		return err
	}
	defer srv.Close()
	url, err := srv.Pipe(*bucket, *queue)
	if err != nil {
		return err
	}
	fmt.Printf("AWS_ENDPOINT_URL=%s\nBUCKET=%s\nQUEUE_URL=%s\n", srv.URL, *bucket, url)
	<-ctx.Done()
	return nil
}
