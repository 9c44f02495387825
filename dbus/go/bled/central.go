// SPDX-License-Identifier: MIT

package bled

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// ScanOptions are the options of Observer1.Scan that programs mostly want; More takes the others.
type ScanOptions struct {
	Passive    bool
	Services   []string
	NamePrefix string
	MinRSSI    int16 // 0: any
	More       Options
}

// ScanReports reports advertisers until ctx ends; the channel is closed then, when the scan has ended because the
// controller is gone, when the daemon has gone, or where the reader is 65536 reports late.
func (a *Adapter) ScanReports(ctx context.Context, o ScanOptions) (<-chan ScanResultEvent, error) {
	options := Options{"active": dbus.MakeVariant(!o.Passive), "interval_us": dbus.MakeVariant(uint32(100000)),
		"window_us": dbus.MakeVariant(uint32(100000))}
	if len(o.Services) > 0 {
		options["services"] = dbus.MakeVariant(o.Services)
	}
	if o.NamePrefix != "" {
		options["name_prefix"] = dbus.MakeVariant(o.NamePrefix)
	}
	if o.MinRSSI != 0 {
		options["rssi_min"] = dbus.MakeVariant(o.MinRSSI)
	}
	for k, v := range o.More {
		options[k] = v
	}
	events := a.Events(func(e interface{}) bool {
		switch e.(type) {
		case *ScanResultEvent, *ScanDoneEvent:
			return true
		}
		return false
	})
	if err := a.Scan(ctx, 0, options); err != nil {
		events.Stop()
		return nil, err
	}
	out := make(chan ScanResultEvent)
	go func() {
		defer close(out)
		defer events.Stop()
		defer a.quietly(func(c context.Context) error { return a.StopScan(c) })
		for {
			select {
			case e, ok := <-events.C:
				report, is := e.(*ScanResultEvent)
				if !ok || !is {
					return
				}
				select {
				case out <- *report:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// quietly ends something whose end nobody waits for.
func (a *Adapter) quietly(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = f(ctx)
}

// Link is a connection, in either role.
type Link struct {
	Adapter *Adapter
	Conn    uint16
	Type    uint8
	Address string
	done    chan struct{}
	once    sync.Once
	status  uint16
}

// Dial connects; ctx ending cancels the attempt.
func (a *Adapter) Dial(ctx context.Context, address string, addrType uint8) (*Link, error) {
	return a.DialWith(ctx, address, addrType, Options{"scan_duration_ms": dbus.MakeVariant(uint32(10000))})
}

// DialWith is Dial with the options of Central1.Connect.
func (a *Adapter) DialWith(ctx context.Context, address string, addrType uint8, options Options) (*Link, error) {
	events := a.Events(isLinkEnd)
	type result struct {
		conn uint16
		err  error
	}
	// Not with ctx: a connection that comes about just then would be nobody's.
	attempt, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	done := make(chan result, 1)
	go func() {
		conn, err := a.Connect(attempt, addrType, address, options)
		done <- result{conn, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		a.quietly(func(c context.Context) error { return a.CancelConnect(c, addrType, address) })
		timer := time.AfterFunc(closeTimeout, giveUp)
		defer timer.Stop()
		if r = <-done; r.err == nil && r.conn != 0 {
			a.quietly(func(c context.Context) error { _, err := a.LinkDisconnect(c, r.conn, nil); return err })
		}
		r.err = ctx.Err()
	}
	if r.err != nil {
		events.Stop()
		return nil, r.err
	}
	return a.link(r.conn, addrType, address, events), nil
}

func isLinkEnd(e interface{}) bool { _, ok := e.(*LinkDisconnectedEvent); return ok }

func newLink(a *Adapter, conn uint16, addrType uint8, address string) *Link {
	return &Link{Adapter: a, Conn: conn, Type: addrType, Address: address, done: make(chan struct{})}
}

func (l *Link) end(status uint16) {
	l.once.Do(func() {
		l.status = status
		close(l.done)
	})
}

func (a *Adapter) link(conn uint16, addrType uint8, address string, events *Events) *Link {
	l := newLink(a, conn, addrType, address)
	go func() {
		defer events.Stop()
		defer l.end(0)
		for e := range events.C {
			if end := e.(*LinkDisconnectedEvent); end.Conn == conn {
				l.end(end.Status)
				return
			}
		}
	}()
	return l
}

// Done is closed when the link has ended.
func (l *Link) Done() <-chan struct{} { return l.done }

// Status is why it ended, once Done is closed: 0x100 + the HCI reason.
func (l *Link) Status() uint16 {
	<-l.done
	return l.status
}

// Close ends our use of it; the link ends with its last user.
func (l *Link) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_, err := l.Adapter.LinkDisconnect(ctx, l.Conn, nil)
	return err
}

// Incoming gives links that centrals have opened to our advertisements, until ctx ends.
func (a *Adapter) Incoming(ctx context.Context) <-chan *Link {
	// In one stream, so that the end of a link that ends at once is seen.
	events := a.Events(func(e interface{}) bool {
		_, ok := e.(*CentralConnectedEvent)
		return ok || isLinkEnd(e)
	})
	out := make(chan *Link)
	go incoming(ctx, a, events, out)
	return out
}

// incoming goes on after ctx for the links that it has given.
func incoming(ctx context.Context, a *Adapter, events *Events, out chan<- *Link) {
	defer events.Stop()
	links, done, given := map[uint16]*Link{}, ctx.Done(), true
	var waiting []*Link
	for given || len(links) > 0 {
		var send chan<- *Link
		var next *Link
		if len(waiting) > 0 {
			send, next = out, waiting[0]
		}
		select {
		case e, ok := <-events.C:
			if c, is := e.(*CentralConnectedEvent); is && given {
				l := newLink(a, c.Conn, c.AddrType, c.Addr)
				links[c.Conn], waiting = l, append(waiting, l)
			} else if end, is := e.(*LinkDisconnectedEvent); is && links[end.Conn] != nil {
				links[end.Conn].end(end.Status)
				delete(links, end.Conn)
			}
			if ok {
				continue
			}
			for _, l := range links {
				l.end(0)
			}
			if given {
				close(out)
			}
			return
		case send <- next:
			waiting = waiting[1:]
		case <-done:
			for _, l := range waiting { // nobody's
				delete(links, l.Conn)
			}
			waiting, done, given = nil, nil, false
			close(out)
		}
	}
}

// RemoteService is a primary service of the peer's.
type RemoteService struct {
	ServiceRange
	Characteristics []*RemoteCharacteristic
}

// RemoteCharacteristic is one of the peer's.
type RemoteCharacteristic struct {
	CharacteristicRange
	link *Link
}

// Services are all services with their characteristics.
func (l *Link) Services(ctx context.Context) ([]*RemoteService, error) {
	ranges, err := l.Adapter.DiscoverServices(ctx, l.Conn, "", nil)
	if err != nil {
		return nil, err
	}
	var all []*RemoteService
	for _, r := range ranges {
		s := &RemoteService{ServiceRange: r}
		if s.Characteristics, err = l.characteristics(ctx, r.Start, r.End, ""); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (l *Link) characteristics(ctx context.Context, start, end uint16, uuid string) ([]*RemoteCharacteristic, error) {
	ranges, err := l.Adapter.DiscoverCharacteristics(ctx, l.Conn, start, end, uuid, nil)
	var all []*RemoteCharacteristic
	for _, r := range ranges {
		all = append(all, &RemoteCharacteristic{r, l})
	}
	return all, err
}

// Characteristic is the first one of this type; NotFound where there is none.
func (l *Link) Characteristic(ctx context.Context, uuid string) (*RemoteCharacteristic, error) {
	all, err := l.characteristics(ctx, 1, 0xffff, uuid)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the peer has no characteristic %s: %w", uuid, NotFound)
	}
	return all[0], nil
}

// Read gives the whole value.
func (c *RemoteCharacteristic) Read(ctx context.Context) ([]byte, error) {
	return c.link.Adapter.ClientRead(ctx, c.link.Conn, c.Value, nil)
}

// Write is confirmed by the peer; long values are prepared and executed.
func (c *RemoteCharacteristic) Write(ctx context.Context, value []byte) error {
	return c.link.Adapter.ClientWrite(ctx, c.link.Conn, c.Value, value, 1, nil)
}

// WriteCommand is not confirmed.
func (c *RemoteCharacteristic) WriteCommand(ctx context.Context, value []byte) error {
	return c.link.Adapter.ClientWrite(ctx, c.link.Conn, c.Value, value, 0, nil)
}

// Notifications subscribes until ctx ends (to indications where it has no notifications); the channel is closed
// then, or with the link.
func (c *RemoteCharacteristic) Notifications(ctx context.Context) (<-chan []byte, error) {
	l, a := c.link, c.link.Adapter
	events := a.Events(func(e interface{}) bool {
		switch v := e.(type) {
		case *NotifiedEvent:
			return v.Conn == l.Conn && v.Handle == c.Value
		case *IndicatedEvent:
			return v.Conn == l.Conn && v.Handle == c.Value
		case *LinkDisconnectedEvent:
			return v.Conn == l.Conn
		}
		return false
	})
	bits := uint8(1)
	if c.Properties&0x30 == 0x20 {
		bits = 2
	}
	if err := a.Subscribe(ctx, l.Conn, c.Value, bits, nil); err != nil {
		events.Stop()
		return nil, err
	}
	out := make(chan []byte)
	go func() {
		defer close(out)
		defer events.Stop()
		for {
			var value []byte
			select {
			case e := <-events.C:
				switch v := e.(type) {
				case *NotifiedEvent:
					value = v.Value
				case *IndicatedEvent:
					value = v.Value
				default:
					return
				}
			case <-ctx.Done():
				a.quietly(func(ctx context.Context) error { return a.Subscribe(ctx, l.Conn, c.Value, 0, nil) })
				return
			}
			select {
			case out <- value:
			case <-ctx.Done():
				a.quietly(func(ctx context.Context) error { return a.Subscribe(ctx, l.Conn, c.Value, 0, nil) })
				return
			}
		}
	}()
	return out, nil
}
