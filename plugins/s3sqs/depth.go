package s3sqs

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// depths are the numbers of a queue, as SQS estimates them, by the state that
// the metric names.
var depths = []struct {
	attribute types.QueueAttributeName
	state     string
}{
	{types.QueueAttributeNameApproximateNumberOfMessages, "waiting"},
	{types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, "held"},
	{types.QueueAttributeNameApproximateNumberOfMessagesDelayed, "delayed"},
}

// measure keeps the metric of what waits in the queue until ctx is done. Where
// SQS does not say, the metric has no value rather than an old one.
func (q *queue) measure(ctx context.Context) {
	vec := q.run.in.metrics.depth
	forget := func() {
		for _, d := range depths {
			vec.DeleteLabelValues(q.name, d.state)
		}
	}
	defer forget()
	for {
		numbers, err := depthOf(ctx, q.client, q.url)
		if err != nil { // what is wrong with the queue is told by who receives
			forget()
		}
		for i, n := range numbers {
			vec.WithLabelValues(q.name, depths[i].state).Set(float64(n))
		}
		if !sleep(ctx, jitter(q.run.in.timing.depth)) {
			return
		}
	}
}

// depthOf are the numbers of a queue, in the order of [depths]; none with an error.
func depthOf(ctx context.Context, client *sqs.Client, url string) ([]int, error) {
	in := &sqs.GetQueueAttributesInput{QueueUrl: &url}
	for _, d := range depths {
		in.AttributeNames = append(in.AttributeNames, d.attribute)
	}
	out, err := client.GetQueueAttributes(ctx, in)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, len(depths))
	for i, d := range depths {
		if numbers[i], err = strconv.Atoi(out.Attributes[string(d.attribute)]); err != nil {
			return nil, fmt.Errorf("%s: %w", d.attribute, err)
		}
	}
	return numbers, nil
}
