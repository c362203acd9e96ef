// A plugin with two functions: greet takes and returns text, summarise takes an order and returns a report.
package main

import (
	"errors"

	"sandbox.example/guest"
)

//go:wasmexport greet
func greet(length int32) int32 {
	return guest.Text(length, func(name string) (string, error) {
		if name == "" {
			return "", errors.New("nobody to greet")
		}
		return "Hello, " + name + "!", nil
	})
}

//go:wasmexport summarise
func summarise(length int32) int32 { return guest.Value(length, reportOf) }

type order struct {
	Customer string `json:"customer"`
	Items    []struct {
		Name  string `json:"name"`
		Price int    `json:"price"`
		Count int    `json:"count"`
	} `json:"items"`
}

type report struct {
	Customer string `json:"customer"`
	Articles int    `json:"articles"`
	Total    int    `json:"total"`
	Dearest  string `json:"dearest"`
}

func reportOf(order order) (report, error) {
	if len(order.Items) == 0 {
		return report{}, errors.New("the order has no items")
	}
	report, dearest := report{Customer: order.Customer}, order.Items[0]
	for _, item := range order.Items {
		// A bug, as it were: it ends this instance, and the next call finds a new one.
		if item.Count < 0 {
			panic("a count is negative")
		}
		report.Articles += item.Count
		report.Total += item.Price * item.Count
		if item.Price > dearest.Price {
			dearest = item
		}
	}
	report.Dearest = dearest.Name
	return report, nil
}

// A module that is called, and not run, has nothing to do here.
func main() {}
