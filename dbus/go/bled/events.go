// SPDX-License-Identifier: MIT

package bled

import (
	"errors"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	closeTimeout = 10 * time.Second
	queueMost    = 65536 // signals that a stream keeps for a reader that does not come
)

// ErrOverflow is why a stream of events ended that nobody read.
var ErrOverflow = errors.New("bled: events were not read, and too many wait")

// queue hands values from one goroutine to another without ever blocking the first.
type queue struct {
	mu     sync.Mutex
	values []interface{}
	news   chan struct{}
	ended  bool

	overflowed bool
}

func newQueue() *queue { return &queue{news: make(chan struct{}, 1)} }

// put is false where too much waits: the queue has ended then, with what is in it still to be taken.
func (q *queue) put(v interface{}) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.wake()
	if !q.ended && len(q.values) >= queueMost {
		q.ended, q.overflowed = true, true
	}
	if !q.ended {
		q.values = append(q.values, v)
	}
	return !q.ended
}

func (q *queue) wake() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.wake()
}

// take gives all that waits, and whether there is more to come.
func (q *queue) take() ([]interface{}, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.values
	q.values = nil
	return all, !q.ended
}

// Events is a stream of signals, in order: pointers to the ...Event structures of api.go.
type Events struct {
	a     *Adapter
	want  func(interface{}) bool
	queue *queue
	C     <-chan interface{}
	stop  chan struct{}
	once  sync.Once
}

// Events gives those signals of the adapter's object that want() says yes to (nil: all), until Stop or the end of
// the adapter, when C is closed. want is called for each signal and must not block. A reader that is 65536 signals
// late has lost the stream: C is closed after those, and Err is ErrOverflow.
func (a *Adapter) Events(want func(interface{}) bool) *Events {
	c := make(chan interface{})
	e := &Events{a: a, want: want, queue: newQueue(), C: c, stop: make(chan struct{})}
	a.mu.Lock()
	if a.closed {
		e.queue.close()
	} else {
		a.waiters[e] = struct{}{}
	}
	a.mu.Unlock()
	go e.run(c)
	return e
}

// Err is why C was closed: nil after Stop, ErrClosed at the end of the adapter, ErrOverflow.
func (e *Events) Err() error {
	e.queue.mu.Lock()
	defer e.queue.mu.Unlock()
	select {
	case <-e.stop:
		return nil
	default:
	}
	if e.queue.overflowed {
		return ErrOverflow
	}
	if e.queue.ended {
		return ErrClosed
	}
	return nil
}

// Stop ends it; C is closed soon.
func (e *Events) Stop() {
	e.once.Do(func() { close(e.stop) })
	e.a.mu.Lock()
	delete(e.a.waiters, e)
	e.a.mu.Unlock()
}

func (e *Events) run(c chan<- interface{}) {
	defer close(c)
	for {
		all, more := e.queue.take()
		for _, v := range all {
			select {
			case c <- v:
			case <-e.stop:
				return
			}
		}
		if len(all) > 0 {
			continue
		}
		if !more {
			return
		}
		select {
		case <-e.queue.news:
		case <-e.stop:
			return
		}
	}
}

// dispatch runs until the bus or the daemon has gone.
func (a *Adapter) dispatch(owner string, path dbus.ObjectPath, signals <-chan *dbus.Signal) {
	defer a.end()
	for s := range signals {
		if s.Name == busDaemon+".NameOwnerChanged" && s.Sender == busDaemon && len(s.Body) == 3 && s.Body[0] == a.name {
			if s.Body[1] == owner {
				return
			}
			continue
		}
		newEvent, known := eventTypes[s.Name]
		if !known || s.Sender != owner || s.Path != path {
			continue
		}
		event := newEvent()
		if dbus.Store([]interface{}{s.Body}, event) != nil {
			continue
		}
		a.mu.Lock()
		for w := range a.waiters {
			if (w.want == nil || w.want(event)) && !w.queue.put(event) {
				delete(a.waiters, w)
			}
		}
		a.mu.Unlock()
	}
}
