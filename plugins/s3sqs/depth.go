package s3sqs

import (
	"context"
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
	var names []types.QueueAttributeName
	for _, d := range depths {
		names = append(names, d.attribute)
	}
	for {
		out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: names})
		if err != nil { // what is wrong with the queue is told by who receives
			forget()
		} else {
			for _, d := range depths {
				if n, err := strconv.ParseFloat(out.Attributes[string(d.attribute)], 64); err == nil {
					vec.WithLabelValues(q.name, d.state).Set(n)
				}
			}
		}
		if !sleep(ctx, jitter(q.run.in.timing.depth)) {
			return
		}
	}
}
