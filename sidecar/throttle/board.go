package throttle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/fluent-siem/fluent-siem/internal/throttle"
)

// Board is where a fleet's order hangs.
type Board interface {
	Put(ctx context.Context, o throttle.Order) error
	Get(ctx context.Context) (throttle.Order, error)
}

// OpenBoard returns the board of a place: s3://bucket/key or ssm:/parameter.
func OpenBoard(place string, cfg aws.Config) (Board, error) {
	bucket, name, err := parsePlace(place)
	switch {
	case err != nil:
		return nil, err
	case bucket == "":
		return parameter{ssm.NewFromConfig(cfg), name}, nil
	}
	return object{s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }), bucket, name}, nil
}

// parsePlace reads a place: an object of a bucket, or a parameter without one.
func parsePlace(place string) (bucket, name string, err error) {
	if name, ok := strings.CutPrefix(place, "ssm:"); ok && strings.HasPrefix(name, "/") {
		return "", name, nil
	}
	if rest, ok := strings.CutPrefix(place, "s3://"); ok {
		if bucket, key, _ := strings.Cut(rest, "/"); bucket != "" && key != "" {
			return bucket, key, nil
		}
	}
	return "", "", fmt.Errorf("%q is no place for an order; write s3://bucket/key or ssm:/parameter", place)
}

type object struct {
	client      *s3.Client
	bucket, key string
}

func (b object) Put(ctx context.Context, o throttle.Order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.bucket, Key: &b.key, Body: bytes.NewReader(text), ContentType: aws.String("application/json")})
	return err
}

func (b object) Get(ctx context.Context) (throttle.Order, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &b.key})
	if err != nil {
		return throttle.Order{}, err
	}
	defer out.Body.Close()
	return throttle.Parse(out.Body)
}

type parameter struct {
	client *ssm.Client
	name   string
}

func (b parameter) Put(ctx context.Context, o throttle.Order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = b.client.PutParameter(ctx, &ssm.PutParameterInput{Name: &b.name, Value: aws.String(string(text)), Type: types.ParameterTypeString, Overwrite: aws.Bool(true)})
	return err
}

func (b parameter) Get(ctx context.Context) (throttle.Order, error) {
	out, err := b.client.GetParameter(ctx, &ssm.GetParameterInput{Name: &b.name})
	if err != nil {
		return throttle.Order{}, err
	}
	return throttle.Parse(strings.NewReader(aws.ToString(out.Parameter.Value)))
}

// cause takes the URL out of an error of net/http.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
