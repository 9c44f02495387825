// SPDX-License-Identifier: MIT

package bled

import (
	"context"
	"fmt"
	"sync"

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

// Scan reports advertisers until ctx ends; the channel is closed then, or when the daemon has gone. A reader that
// stops reading without ending ctx costs memory.
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
	events := a.Events(func(e interface{}) bool { _, ok := e.(*ScanResultEvent); return ok })
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
				if !ok {
					return
				}
				select {
				case out <- *e.(*ScanResultEvent):
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
	conn, err := a.Connect(ctx, addrType, address, options)
	if err != nil {
		events.Stop()
		if ctx.Err() != nil {
			a.quietly(func(c context.Context) error { return a.CancelConnect(c, addrType, address) })
		}
		return nil, err
	}
	return a.link(conn, addrType, address, events), nil
}

func isLinkEnd(e interface{}) bool { _, ok := e.(*LinkDisconnectedEvent); return ok }

func (a *Adapter) link(conn uint16, addrType uint8, address string, events *Events) *Link {
	l := &Link{Adapter: a, Conn: conn, Type: addrType, Address: address, done: make(chan struct{})}
	go func() {
		defer events.Stop()
		defer l.once.Do(func() { close(l.done) })
		for e := range events.C {
			if end := e.(*LinkDisconnectedEvent); end.Conn == conn {
				l.status = end.Status
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
	events := a.Events(func(e interface{}) bool { _, ok := e.(*CentralConnectedEvent); return ok })
	out := make(chan *Link)
	go func() {
		defer close(out)
		defer events.Stop()
		for {
			select {
			case e, ok := <-events.C:
				if !ok {
					return
				}
				c := e.(*CentralConnectedEvent)
				select {
				case out <- a.link(c.Conn, c.AddrType, c.Addr, a.Events(isLinkEnd)):
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
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
		return nil, fmt.Errorf("characteristic %s: %w", uuid, NotFound)
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
