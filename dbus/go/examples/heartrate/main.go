// SPDX-License-Identifier: MIT

// heartrate is a heart rate sensor: heartrate [-bus ADDRESS] [-bus-name NAME]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"bled"
)

func main() {
	bus := flag.String("bus", "system", "system, session or a bus address")
	name := flag.String("bus-name", "org.bled", "the daemon's name")
	period := flag.Duration("period", time.Second, "between two measurements")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	a, err := bled.Open(ctx, bled.WithBus(*bus), bled.WithBusName(*name))
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()

	measurement := &bled.Characteristic{
		UUID: "2a37", Flags: bled.FlagRead | bled.FlagNotify, Value: []byte{0, 60},
		OnSubscribe: func(conn uint16, bits uint8) { fmt.Printf("connection %d subscribed: %d\n", conn, bits) },
	}
	heart := &bled.Service{UUID: "180d", Characteristics: []*bled.Characteristic{measurement}}
	if err = a.Serve(ctx, heart); err != nil {
		log.Fatal(err)
	}
	if _, err = a.AdvertiseAs(ctx, bled.AdvertiseOptions{Name: "Gopher", Services: []string{"180d"}, Resume: true}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("advertising")
	for rate := byte(60); ; rate++ {
		select {
		case <-time.After(*period):
			if err = measurement.Set(ctx, []byte{0, rate}); err != nil {
				log.Fatal(err)
			}
		case <-a.Done():
			log.Fatal(bled.ErrClosed)
		case <-ctx.Done():
			return
		}
	}
}
