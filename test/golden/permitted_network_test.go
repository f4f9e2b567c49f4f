package golden

var network = []permitted{}
