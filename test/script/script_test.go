// Package script_test runs the whole program as its users do. A case is a
// script, *.txtar: commands at the top, files below. Besides testscript's own
// commands there are:
//
//	s3put KEY FILE            put FILE into the bucket; its queue hears of it
//	s3put-quiet KEY FILE      the same, and nobody hears of it
//	s3put-plain KEY FILE      s3put into a bucket without versioning
//	pipeline until CONDITION  run `fluent-siem pipeline -c pipeline.yaml` until
//	                          the condition holds, then stop it with SIGTERM;
//	                          it must end with 0. Conditions: queue-empty,
//	                          lines FILE N (FILE has N lines),
//	                          said TEXT (standard error has it)
//	pipeline start|stop       the same in two steps; between them:
//	hangup until CONDITION    send SIGHUP and wait
//	queue-holds N             wait until N messages can be received
//	fields FILE PATH…         print the values at these paths, a line per document
//	help-examples             run each example of each help text
//
// $QUEUE, $ENDPOINT, AWS's variables and $CONF (the folder conf) are set. The services are an emulator
// of S3 and SQS in this process.
package script_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fluent-siem/fluent-siem/sidecar/cli"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// TestMain lets a script run this binary as fluent-siem.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fluent-siem": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(ctx, stop)
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			os.Exit(cli.Run(ctx, os.Args[1:], cli.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Reload: reload}))
		},
	})
}

const (
	bucket = "siem-logs"
	queue  = "siem"
	dlq    = "siem-dlq"
)

// key of the world in the environment of a script.
type key struct{}

// world is what a script's commands work on.
type world struct {
	services *awsemu.Server
	running  *program
}

func TestScripts(t *testing.T) {
	testscript.Run(t, params(".", func(*testscript.Env) error { return nil }))
}

// TestScriptsWithOpenSearch runs those that need a real cluster. $OPENSEARCH is
// its URL, $INDEX the beginning of the names of a script's own indexes, and
//
//	cluster METHOD PATH [FILE]  send a request, print the answer
//	dlq-send FILE               put a message into the queue $DLQ
//	dlq-holds N                 wait until it holds N messages
func TestScriptsWithOpenSearch(t *testing.T) {
	url := services.OpenSearch(t)
	testscript.Run(t, params("opensearch", func(env *testscript.Env) error {
		index := services.Name("script")
		env.Setenv("OPENSEARCH", url)
		env.Setenv("INDEX", index)
		aws := env.Values[key{}].(*world).services
		if err := aws.CreateQueue(dlq, map[string]string{"VisibilityTimeout": "5"}); err != nil {
			return err
		}
		env.Setenv("DLQ", aws.QueueURL(dlq))
		env.Defer(func() {
			if _, err := request(http.MethodDelete, url+"/"+index+"*", ""); err != nil {
				t.Log(err)
			}
		})
		return nil
	}))
}

// params are those of a folder of scripts; more adds to their environment.
func params(dir string, more func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") == "1",
		Setup: func(env *testscript.Env) error {
			services, err := awsemu.Start(awsemu.Config{})
			if err != nil {
				return err
			}
			w := &world{services: services}
			env.Defer(func() {
				w.running.kill()
				if err := services.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
					panic(err)
				}
			})
			url, err := services.Pipe(bucket, queue)
			if err == nil { // a poll that a stop cancels may take a message with it for that long
				err = services.CreateQueue(queue, map[string]string{"VisibilityTimeout": "5"})
			}
			if err != nil {
				return err
			}
			conf, err := filepath.Abs("../../conf")
			if err != nil {
				return err
			}
			env.Setenv("CONF", conf)
			env.Values[key{}] = w
			env.Setenv("QUEUE", url)
			env.Setenv("ENDPOINT", services.URL)
			env.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			env.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			return more(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"s3put":         s3put,
			"s3put-quiet":   s3putQuiet,
			"s3put-plain":   s3putPlain,
			"pipeline":      pipeline,
			"hangup":        hangup,
			"queue-holds":   queueHolds,
			"fields":        fields,
			"help-examples": helpExamples,
			"cluster":       cluster,
			"dlq-send":      dlqSend,
			"dlq-holds":     dlqHolds,
		},
	}
}
